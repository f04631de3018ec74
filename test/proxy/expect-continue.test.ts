import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { signInLines, talk } from './raw-peers.ts'

describe('a client that waits to be asked for its body', () => {
  let world: World
  before(async () => {
    world = await startWorld({ store: 'memory' })
  })
  after(() => world.close())

  function post(cookie: string) {
    const headers = { expect: '100-continue', 'content-length': '5', 'x-csrf': '1', cookie }
    const request = httpRequest(`${world.origin}/api/x`, { method: 'POST', headers })
    request.flushHeaders()
    return request
  }

  test('is asked once its session is known, and the upstream is told nothing of it', async () => {
    const browser = world.browser()
    await browser.login()
    const request = post(`bff=${browser.cookies.get('bff')?.value}`)
    await once(request, 'continue')
    request.end('hello')
    const [response] = await once(request, 'response')
    assert.equal(response.statusCode, 200)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    const echo = JSON.parse(Buffer.concat(chunks).toString())
    assert.equal(echo.bodyBytes, 5)
    assert.equal(
      echo.rawHeaders.some((name: string) => name.toLowerCase() === 'expect'),
      false,
    )
  })

  test('is not asked for what will be refused: without proof of its origin, too long, by another method, to a bad target', async () => {
    const upstream = world.upstream.url
    const routes = [
      { path: '/api', upstream },
      { path: '/small', upstream, maxBodyBytes: 4 },
      { path: '/read', upstream, methods: ['GET' as const] },
    ]
    await using other = await startWorld({ store: 'memory', bff: { routes } })
    const own = await signInLines(other)
    const { requests } = world.upstream
    for (const [path, lines, status] of [
      ['/api/x', own.replace('X-CSRF: 1\r\n', ''), 403],
      ['/small/x', own, 413],
      ['/read/x', own, 405],
      ['/api//x', own, 400],
    ] as const) {
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${lines}`
      const { statuses } = await talk(other.relay.port, `${head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
      assert.deepEqual(statuses, [status], path)
    }
    assert.equal(world.upstream.requests, requests)
  })

  test('is not asked when it has none, and the connection closes', async () => {
    const { requests } = world.upstream
    const request = post('bff=forged')
    request.on('continue', () => assert.fail('was asked'))
    const [response] = await once(request, 'response')
    assert.deepEqual([response.statusCode, response.headers.connection], [401, 'close'])
    request.destroy()
    assert.equal(world.upstream.requests, requests)
  })
})
