import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { rawRequest } from '../support/raw-request.ts'
import { startWorld, type World } from '../support/world.ts'

describe('the methods of a route', () => {
  let world: World
  let headers: Record<string, string>
  before(async () => {
    const nobody = 'http://127.0.0.1:9'
    const routes = [
      { path: '/named', upstream: nobody, methods: ['GET' as const, 'DELETE' as const] },
      { path: '/any', upstream: nobody },
    ]
    world = await startWorld({ store: 'memory', bff: { routes } })
    const browser = world.browser()
    await browser.login()
    headers = { cookie: `bff=${browser.cookies.get('bff')?.value}`, 'x-csrf': '1' }
  })
  after(() => world.close())

  const ask = (method: string, target: string) => rawRequest(world.origin, method, target, headers)

  test('are those that it names, and a 405 says which', async () => {
    for (const method of METHODS) {
      const { status, headers, body } = await ask(method, '/named/x')
      const isNamed = method === 'GET' || method === 'DELETE'
      assert.deepEqual([status, headers.get('allow')], isNamed ? [502, null] : [405, 'GET, DELETE'], method)
      if (status === 405 && method !== 'HEAD') assert.equal(JSON.parse(body).code, 'method_not_allowed')
    }
  })

  test('are all but TRACE and CONNECT where it names none, and a 405 says so', async () => {
    const forwarded = METHODS.filter((method) => method !== 'TRACE' && method !== 'CONNECT')
    for (const method of METHODS) {
      const { status, headers } = await ask(method, '/any/x')
      const expected = forwarded.includes(method) ? [502, null] : [405, forwarded.join(', ')]
      assert.deepEqual([status, headers.get('allow')], expected, method)
    }
  })

  test('are said to whoever wants a tunnel to elsewhere, too', async () => {
    const { status, headers } = await ask('CONNECT', 'a.example:443')
    assert.equal(status, 405)
    assert.match(headers.get('allow') ?? '', /\bGET\b/)
  })
})
