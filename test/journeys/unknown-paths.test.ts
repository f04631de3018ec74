import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { rawRequest } from '../support/raw-request.ts'
import { startWorld, type World } from '../support/world.ts'

const asPerson = { accept: 'text/html,application/xhtml+xml' }

describe('a path', () => {
  let world: World
  before(async () => {
    const spa = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    await writeFile(join(spa, 'index.html'), '<!doctype html><title>the app</title>')
    await writeFile(join(spa, 'app-3f9a1c2b.js'), 'export {}')
    await writeFile(join(spa, '.secret'), 'hidden')
    world = await startWorld({ store: 'memory', bff: { spa } })
  })
  after(() => world.close())

  const get = (path: string, headers: Record<string, string> = asPerson, method = 'GET') =>
    rawRequest(world.origin, method, path, headers)

  for (const path of ['/', '/orders/7', '/deep/er?x=1.2', '/apix', '/bffx', '/search/100%25']) {
    test(`${path}, navigated to, is the app`, async () => {
      const { status, body, headers } = await get(path)
      assert.equal(status, 200)
      assert.match(body, /the app/)
      assert.equal(headers.get('cache-control'), 'no-cache')
      assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
      const head = await get(path, asPerson, 'HEAD')
      assert.deepEqual([head.status, head.body], [200, ''])
    })
  }

  test('a file of the app is served, and asked for again the next time', async () => {
    const { status, headers } = await get('/app-3f9a1c2b.js', {})
    assert.deepEqual([status, headers.get('cache-control')], [200, 'no-cache'])
    const again = await get('/app-3f9a1c2b.js', { 'if-none-match': headers.get('etag') ?? '' })
    assert.equal(again.status, 304)
    assert.equal((await get('/app-3f9a1c2b.js', { range: 'bytes=900-' })).status, 416)
  })

  test('what is no request at all is answered with a problem, and the connection closes', async () => {
    const bad = await get('/bff/user', { 'content-length': 'x' })
    assert.deepEqual([bad.status, JSON.parse(bad.body).code], [400, 'bad_request'])
    const large = await get('/bff/user', { 'x-large': 'x'.repeat(20_000) })
    assert.deepEqual([large.status, JSON.parse(large.body).code], [431, 'headers_too_large'])
  })

  const nothing: [what: string, path: string, headers?: Record<string, string>, method?: string][] = [
    ['an unknown file', '/missing.js'],
    ['an unknown path asked by a script', '/orders/7', { accept: 'application/json' }],
    ['an unknown path posted to', '/orders/7', asPerson, 'POST'],
    ['a hidden file', '/.secret'],
    ['an unknown endpoint', '/bff/unknown'],
    ['the base path itself', '/bff'],
    ['an endpoint with a slash behind', '/bff/user/'],
    ['a path below an endpoint', '/bff/login/foo'],
    ['an endpoint in capitals', '/bff/User'],
    ['our base path in capitals', '/BFF/user'],
    ['a route in capitals', '/API/x'],
    ['an encoded route', '/%61pi/x'],
    ['a route encoded twice', '/%2561pi/x'],
    ['a route with an encoded slash', '/api%2fx'],
    ['a route with a second slash in front', '//api/x'],
    ['a route behind a dot segment', '/x/../api/x'],
    ['a route behind an encoded dot segment', '/x/%2e%2e/api/x'],
    ['a route with backslashes', '/x\\..\\api\\x'],
    ['an endpoint behind a dot segment', '/./bff/user'],
    ['an endpoint behind a dot segment that leads nowhere', '/../bff/user'],
    ['an endpoint with a path parameter', '/bff;v=1/user'],
    ['a route with an encoded path parameter', '/api%3bv=1/x'],
  ]
  for (const [what, path, headers = asPerson, method = 'GET'] of nothing) {
    test(`${what} is 404 no_route: ${method} ${path}`, async () => {
      const { requests } = world.upstream
      const answer = await get(path, { 'x-csrf': '1', ...headers }, method)
      assert.equal(answer.status, 404)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(JSON.parse(answer.body).code, 'no_route')
      assert.equal(world.upstream.requests, requests)
    })
  }

  const bad = ['http://evil.example/api/x', '*', '/api/../admin', '/api/%2e%2e/x', '/api//x', '/api/a%2fb', '/%zz']
  for (const path of bad) {
    test(`${path} is 400 bad_target`, async () => {
      const answer = await get(path, { 'x-csrf': '1' }, path === '*' ? 'OPTIONS' : 'GET')
      assert.equal(answer.status, 400)
      assert.equal(JSON.parse(answer.body).code, 'bad_target')
    })
  }

  test('an endpoint asked by another method is 405', async () => {
    for (const [method, path] of [
      ['POST', '/bff/login'],
      ['DELETE', '/bff/user'],
      ['PUT', '/bff/logout'],
    ] as const) {
      const answer = await get(path, { 'x-csrf': '1' }, method)
      assert.equal(answer.status, 405)
      assert.equal(JSON.parse(answer.body).code, 'method_not_allowed')
      assert.equal(answer.headers.get('allow'), path === '/bff/logout' ? 'GET, HEAD, POST' : 'GET, HEAD')
    }
  })

  test('TRACE is 405 and reaches no upstream', async () => {
    const { requests } = world.upstream
    assert.equal((await get('/api/x', { 'x-csrf': '1' }, 'TRACE')).status, 405)
    assert.equal(world.upstream.requests, requests)
  })
})
