import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { WebSocket } from 'ws'
import { type Embedding, startEmbedding } from './embedding.ts'
import { openLine } from './raw-peers.ts'

describe('inside a server of somebody else', { concurrency: false }, () => {
  let at: Embedding
  before(async () => {
    at = await startEmbedding()
  })
  after(() => at[Symbol.asyncDispose]())

  const events = () => at.said.map(({ msg }) => msg)
  const post = (origin: string, type: string, body: string) =>
    fetch(`${origin}/api/x`, {
      method: 'POST',
      body,
      headers: { cookie: at.cookie, 'x-csrf': '1', 'content-type': type },
    })

  test('a body that a parser has read before us is a 500 at once, and the log says what to do', async () => {
    const app = express()
    app.use(express.json(), express.text(), at.bff.router)
    const { origin } = await at.serve(app)
    const { requests } = at.world.upstream
    for (const [type, body] of [
      ['application/json', '{"a":1}'],
      ['text/plain', 'x'.repeat(50_000)],
    ] as const) {
      at.said.length = 0
      const response = await post(origin, type, body)
      assert.deepEqual([response.status, (await response.json()).code], [500, 'internal'])
      const line = at.said.find(({ msg }) => msg === 'body_already_read')
      assert.deepEqual([line?.level, line?.['remedy']], ['error', 'put bff.router before any body parser'])
    }
    assert.equal(at.world.upstream.requests, requests)
    // What the parsers leave alone passes, and so does what has no body.
    assert.equal((await (await post(origin, 'application/octet-stream', 'left alone')).json()).bodyBytes, 10)
    assert.equal((await fetch(`${origin}/api/x`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })).status, 200)
  })

  test('a logout token that a parser has read before us is not taken for none: the log says what to do', async () => {
    const app = express()
    app.use(express.urlencoded(), at.bff.router)
    const { origin } = await at.serve(app)
    at.said.length = 0
    const body = new URLSearchParams({ logout_token: 'of the provider' })
    const response = await fetch(`${origin}/bff/backchannel`, { method: 'POST', body })
    assert.deepEqual([response.status, (await response.json()).code], [500, 'internal'])
    assert.ok(events().includes('body_already_read'))
  })

  test('mounted on its own paths it serves them, byte for byte, and on others nothing', async () => {
    const app = express()
    app.use(['/api', '/bff', '/other'], at.bff.router)
    app.use((request, response) => void response.status(418).send(request.url))
    const { origin } = await at.serve(app)
    const headers = { cookie: at.cookie, 'x-csrf': '1' }
    const asked: string[] = []
    at.world.upstream.onRequest(({ url = '' }) => {
      asked.push(url)
      return false
    })
    const targets = ['/api', '/api?x', '/api/a%20b?y', '/bff/user', '/other/api/x', '/other/bff/user', '/API/x']
    const statuses: number[] = []
    for (const target of targets) statuses.push((await fetch(origin + target, { headers })).status)
    assert.deepEqual(statuses, [200, 200, 200, 200, 418, 418, 404])
    assert.deepEqual(asked, ['/', '/?x', '/a%20b?y'])
    assert.equal(await (await fetch(`${origin}/other/a%20b?y`)).text(), '/other/a%20b?y')
  })

  test('an answer has the cookies of both', async () => {
    const app = express()
    app.use((_request, response, next) => {
      response.cookie('embedder', '1').cookie('other', '2')
      next()
    }, at.bff.router)
    const { origin } = await at.serve(app)
    at.world.upstream.onRequest((_request, response) => {
      response.setHeader('set-cookie', ['theirs=3', 'nobodys=4'])
      return false
    })
    const response = await fetch(`${origin}/cookies/x`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })
    assert.deepEqual(response.headers.getSetCookie(), ['embedder=1; Path=/', 'other=2; Path=/', 'theirs=3'])
  })

  test('a WebSocket without attach is refused, and the log says what to do', async () => {
    const { origin } = await at.serve(at.bff.handle)
    at.said.length = 0
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, {
      headers: { cookie: at.cookie, origin: at.world.origin },
    })
    const [, response] = await once(socket, 'unexpected-response')
    response.socket.on('error', () => {}).destroy()
    assert.equal(response.statusCode, 400)
    const line = at.said.find(({ msg }) => msg === 'upgrade_not_attached')
    assert.equal(line?.['remedy'], 'call bff.attach(server)')
  })

  test('handle and upgrade serve what they are given directly', async () => {
    const { origin } = await at.serve(at.bff.handle, (server) => server.on('upgrade', at.bff.upgrade))
    assert.equal((await fetch(`${origin}/api/x`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })).status, 200)
    assert.equal((await fetch(`${origin}/bff/user`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })).status, 200)
    assert.equal((await fetch(`${origin}/nothing`)).status, 404)
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, {
      headers: { cookie: at.cookie, origin: at.world.origin },
    })
    await once(socket, 'open')
    socket.send('hello')
    assert.equal(String((await once(socket, 'message'))[0]), 'hello')
    socket.terminate()
  })

  test('upgrade answers whatever is not a WebSocket of ours, and closes', async () => {
    const { port } = await at.serve(at.bff.handle, (server) => server.on('upgrade', at.bff.upgrade))
    const own = `Host: localhost\r\nCookie: ${at.cookie}\r\nX-CSRF: 1\r\nOrigin: ${at.world.origin}\r\n`
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const cases: [string, number][] = [
      ['GET /live/x HTTP/1.1\r\nUpgrade: h2c\r\n', 404],
      ['GET /api/x HTTP/1.1\r\nUpgrade: websocket\r\n', 404],
      ['GET /nothing HTTP/1.1\r\nUpgrade: websocket\r\n', 404],
      ['GET /live/x HTTP/1.0\r\nUpgrade: websocket\r\n', 404],
      ['GET /live/../x HTTP/1.1\r\nUpgrade: websocket\r\n', 400],
      ['GET /live/x HTTP/1.1\r\nUpgrade: websocket\r\nHost: other\r\n', 400],
      ['POST /live/x HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 5\r\n', 404],
      // Complete but for the body, which the other side would take for its first frames.
      [`GET /live/x HTTP/1.1\r\nUpgrade: websocket\r\n${key}Content-Length: 5\r\n`, 400],
      [`GET /live/x HTTP/1.1\r\nUpgrade: websocket\r\n${key}Content-Length: 50\r\n`, 400],
      [`GET /live/x HTTP/1.1\r\nUpgrade: websocket\r\n${key}Transfer-Encoding: chunked\r\n`, 400],
    ]
    for (const [head, status] of cases) {
      const line = await openLine(port)
      line.socket.write(`${head}${own}Connection: Upgrade\r\n\r\nhello`)
      await line.closed()
      assert.match(line.text, new RegExp(`^HTTP/1\\.1 ${status} `), head)
    }
    assert.equal(events().includes('request_broke'), false)
  })
})
