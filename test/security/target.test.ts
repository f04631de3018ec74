import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BffError } from '../../src/errors.ts'
import { createTargets, isUnder, upstreamPath } from '../../src/proxy/target.ts'
import { routeSchema } from '../../src/route-options.ts'
import { rawRequest } from '../support/raw-request.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'
import { formsByFamily } from './payload-forms.ts'
import families from './payloads/target-confusion.json' with { type: 'json' }

/** A path as the most careless upstream would understand it. */
function carelessly(path: string): string {
  const text = path.split(/[?#]/, 1)[0] ?? ''
  const straight = decodeOften(text).replaceAll('\\', '/').replace(/\0.*/s, '')
  const segments: string[] = []
  for (const segment of straight.split('/').map((one) => one.replace(/;.*/, '').trim())) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  return `/${segments.join('/')}`
}

function decodeOften(text: string): string {
  const once = text.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
  return once === text ? text : decodeOften(once)
}

describe('a request target', () => {
  let world: World
  let upstream: Upstream
  const arrived: string[] = []
  const dialled = new Set<string>()
  const onDial = (message: unknown) => {
    // As undici documents its channel.
    const { connectParams } = message as { connectParams: { protocol: string; host: string } }
    dialled.add(`${connectParams.protocol}//${connectParams.host}`)
  }
  let headers: Record<string, string>

  before(async () => {
    upstream = await startUpstream()
    upstream.onRequest((request, response) => {
      arrived.push(request.url ?? '')
      response.end('{}')
      return true
    })
    const routes = [
      { path: '/api', upstream: `${upstream.url}/v1` },
      { path: '/slash', upstream: `${upstream.url}/v1`, encodedSlash: true },
      { path: '/slash/admin', upstream: `${upstream.url}/v1/admin`, scope: 'admin' },
    ]
    world = await startWorld({ https: true, bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const cookie = `__Host-bff=${browser.cookies.get('__Host-bff')?.value}`
    headers = { cookie, 'x-csrf': '1', accept: 'text/html' }
    // From here on nobody but the proxy asks anything by undici.
    subscribe('undici:client:beforeConnect', onDial)
  })
  after(async () => {
    unsubscribe('undici:client:beforeConnect', onDial)
    await world.close()
    await upstream.close()
  })

  for (const [family, forms] of formsByFamily(families)) {
    for (const route of ['/api', '/slash']) {
      test(`P2: stays under the base path of its upstream or goes nowhere, on ${route}: ${family}`, async () => {
        for (const form of forms.map((one) => one.replaceAll('/api', route))) {
          const seen = arrived.length
          const { status } = await rawRequest(world.origin, 'GET', form, headers)
          const [url, ...more] = arrived.slice(seen)
          assert.deepEqual(more, [], form)
          if (url === undefined) assert.ok([400, 401, 404].includes(status), `${status} for ${JSON.stringify(form)}`)
          else assert.match(`${carelessly(url)}/`, /^\/v1\//, `${JSON.stringify(form)} arrived as ${url}`)
        }
      })
    }
  }

  test('P2: no way of writing a path leads past the scope of its route to what the route around it forwards', async () => {
    const admin = [
      'admin',
      'ADMIN',
      '%61dmin',
      '%2561dmin',
      'admin;v=1',
      'admin%3bv',
      ';/admin',
      '%2fadmin',
      'admin%2f',
    ]
    for (const form of [...admin, 'admin%20', 'admin.', 'admin%2f%ff', '%61dmin%09', 'x%2f..%2fadmin']) {
      const seen = arrived.length
      const { status } = await rawRequest(world.origin, 'GET', `/slash/${form}/x`, headers)
      assert.deepEqual(arrived.slice(seen), [], form)
      assert.ok([400, 403].includes(status), `${status} for ${form}`)
    }
    for (const other of ['administration', 'x/admin', 'admin-x', 'x;/admin']) {
      assert.equal((await rawRequest(world.origin, 'GET', `/slash/${other}`, headers)).status, 200, other)
    }
  })

  test('P1: no connection was opened but to the configured origin', async () => {
    assert.equal((await rawRequest(world.origin, 'GET', '/api/x?u=//evil.example', headers)).status, 200)
    dialled.delete(world.provider.issuer) // whose keys are fetched now and then, without a token
    assert.deepEqual([...dialled], [upstream.url])
  })
})

test('P1 and P2: whatever is asked for, the upstream is the configured one and the path under its base path', () => {
  const plain = routeSchema.parse({ path: '/api', upstream: 'http://one.example/v1' })
  const slashes = routeSchema.parse({ path: '/s', upstream: 'http://two.example/v1', encodedSlash: true })
  const targets = createTargets([plain, slashes])
  const pieces = ['/', '//', '\\', '.', '..', '%2e', '%252e', '%2f', '%252F', '%5c', '%25', ';', '%3b', '@', ':', '%00']
  const words = ['evil.example', 'x', 'api', '%0a', '%09', '%zz', '%', '?', '&a=//b', '=..', '#', '%32', '%65', '%36']
  const hostile = fc.array(fc.oneof(fc.constantFrom(...pieces, ...words), fc.string({ maxLength: 3 })))
  let passed = 0
  fc.assert(
    fc.property(fc.constantFrom('/api', '/s'), hostile, (path, parts) => {
      const url = path + parts.join('')
      const target = targets.find(({ route }) => isUnder(url.split('?', 1)[0] ?? '', route.path))
      if (target === undefined) return
      try {
        const sent = upstreamPath(target, url)
        const { origin, pathname } = new URL(target.origin + sent)
        assert.equal(origin, target.origin)
        assert.match(`${pathname}/`, /^\/v1\//)
        assert.match(`${carelessly(sent)}/`, /^\/v1\//)
        passed += 1
      } catch (error) {
        assert.ok(error instanceof BffError && error.problem === 'bad_target', String(error))
      }
    }),
    { seed: 20_240_607, numRuns: 5_000 },
  )
  assert.ok(passed > 500, `only ${passed} were passed on`)
})
