import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { WebSocket, WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import { type Bff, createBff } from '../../src/index.ts'
import { createRecordedLog, type LogLine } from '../support/recorded-log.ts'
import { startRecordingRelay } from '../support/recording-relay.ts'
import { startWorld, type World } from '../support/world.ts'
import { openLine } from './raw-peers.ts'

describe('inside a server of somebody else', { concurrency: false }, () => {
  const disposal = new AsyncDisposableStack()
  let world: World
  let cookie: string
  let bff: Bff
  let said: LogLine[]
  let live: { path: string; upstream: string; webSocket: boolean }
  before(async () => {
    world = disposal.use(await startWorld())
    const sockets = createServer()
    const echo = new WebSocketServer({ server: sockets })
    echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
    live = { path: '/live', upstream: `http://127.0.0.1:${await listen(sockets, 0, '127.0.0.1')}`, webSocket: true }
    disposal.defer(() => closeServer(sockets))
    disposal.defer(() => {
      for (const client of echo.clients) client.terminate()
    })
    const { log, lines } = createRecordedLog()
    said = lines
    bff = createBff({ ...world.options, routes: [...world.options.routes, live] }, { log })
    disposal.defer(() => bff.close())
    const browser = world.browser()
    await browser.login()
    cookie = `bff=${browser.cookies.get('bff')?.value}`
  })
  after(() => disposal.disposeAsync())

  /** Where the server is reached; it is closed after all tests. */
  async function serve(handler: RequestListener, prepare: (server: Server) => void = () => undefined) {
    const server = createServer(handler)
    prepare(server)
    const relay = disposal.use(await startRecordingRelay())
    relay.forwardTo({ host: '127.0.0.1', port: await listen(server, 0, '127.0.0.1') })
    disposal.defer(() => closeServer(server))
    return relay
  }
  const events = () => said.map(({ msg }) => msg)
  const post = (origin: string, type: string, body: string) =>
    fetch(`${origin}/api/x`, { method: 'POST', body, headers: { cookie, 'x-csrf': '1', 'content-type': type } })

  test('a body that a parser has read before us is a 500 at once, and the log says what to do', async () => {
    const app = express()
    app.use(express.json(), express.text(), bff.router)
    const { origin } = await serve(app)
    const { requests } = world.upstream
    for (const [type, body] of [
      ['application/json', '{"a":1}'],
      ['text/plain', 'x'.repeat(50_000)],
    ] as const) {
      said.length = 0
      const response = await post(origin, type, body)
      assert.deepEqual([response.status, (await response.json()).code], [500, 'internal'])
      const line = said.find(({ msg }) => msg === 'body_already_read')
      assert.deepEqual([line?.level, line?.['remedy']], ['error', 'put bff.router before any body parser'])
    }
    assert.equal(world.upstream.requests, requests)
    // What the parsers leave alone passes, and so does what has no body.
    assert.equal((await (await post(origin, 'application/octet-stream', 'left alone')).json()).bodyBytes, 10)
    assert.equal((await fetch(`${origin}/api/x`, { headers: { cookie, 'x-csrf': '1' } })).status, 200)
  })

  test('a WebSocket without attach is refused, and the log says what to do', async () => {
    const { origin } = await serve(bff.handle)
    said.length = 0
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, {
      headers: { cookie, origin: world.origin },
    })
    const [, response] = await once(socket, 'unexpected-response')
    response.socket.on('error', () => {}).destroy()
    assert.equal(response.statusCode, 400)
    const line = said.find(({ msg }) => msg === 'upgrade_not_attached')
    assert.equal(line?.['remedy'], 'call bff.attach(server)')
  })

  test('attach answers a CONNECT that nobody else would, and on our routes alone where somebody does', async () => {
    const asks = async (port: number, target: string) => {
      const line = await openLine(port)
      line.socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await line.closed()
      return line.text.split(' ', 2)[1]
    }
    const alone = await serve(bff.handle, bff.attach)
    assert.deepEqual([await asks(alone.port, 'a.example:443'), await asks(alone.port, '/api/x')], ['405', '405'])
    const tunnels = await serve(bff.handle, (server) => {
      bff.attach(server)
      server.on('connect', (_request, socket) => void (socket.writable && socket.end('HTTP/1.1 200 OK\r\n\r\n')))
    })
    assert.deepEqual([await asks(tunnels.port, 'a.example:443'), await asks(tunnels.port, '/api/x')], ['200', '405'])
  })

  test('that is told to close, close ends what is open there and waits for what is under way', async () => {
    const own = createBff({ ...world.options, routes: [...world.options.routes, live] }, createRecordedLog())
    const server = createServer(own.handle)
    disposal.defer(() => closeServer(server))
    own.attach(server)
    await own.ready()
    const origin = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, {
      headers: { cookie, origin: world.origin },
    })
    await once(socket, 'open')
    const slow = Promise.withResolvers<ServerResponse>()
    world.upstream.onRequest((request, response) => {
      if (request.url === '/slow') slow.resolve(response)
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
      return true
    })
    const events = await fetch(`${origin}/api/events`, { headers: { cookie, 'x-csrf': '1' } })
    const answer = fetch(`${origin}/api/slow`, { headers: { cookie, 'x-csrf': '1' } })
    const upstream = await slow.promise
    world.upstream.onRequest(() => false)
    const left = once(socket, 'close')
    server.close()
    const closed = own.close()
    assert.equal(await events.text(), 'data: one\n\n')
    assert.equal((await left)[0], 1001)
    upstream.end('answered')
    assert.equal(await (await answer).text(), 'answered')
    await closed
    assert.equal(server.listening, false)
  })

  test('that asks for bodies itself where they are not ours, each request is handled once', async () => {
    const handled: string[] = []
    const { port } = await serve(
      (request, response) => {
        handled.push(request.url ?? '')
        bff.handle(request, response)
      },
      (server) => {
        bff.attach(server)
        server.on('checkContinue', (request, response) => {
          if (request.url !== '/own') return
          handled.push('asked')
          response.end()
        })
      },
    )
    for (const path of ['/own', '/api/x']) {
      const line = await openLine(port)
      const own = `Host: localhost\r\nCookie: ${cookie}\r\nX-CSRF: 1\r\nConnection: close\r\n`
      line.socket.write(`POST ${path} HTTP/1.1\r\n${own}Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody`)
      await line.closed()
      assert.match(line.text, /HTTP\/1\.1 200 /)
    }
    assert.deepEqual(handled, ['asked', '/api/x'])
  })

  test('handle and upgrade serve what they are given directly', async () => {
    const { origin } = await serve(bff.handle, (server) => server.on('upgrade', bff.upgrade))
    assert.equal((await fetch(`${origin}/api/x`, { headers: { cookie, 'x-csrf': '1' } })).status, 200)
    assert.equal((await fetch(`${origin}/bff/user`, { headers: { cookie, 'x-csrf': '1' } })).status, 200)
    assert.equal((await fetch(`${origin}/nothing`)).status, 404)
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, {
      headers: { cookie, origin: world.origin },
    })
    await once(socket, 'open')
    socket.send('hello')
    assert.equal(String((await once(socket, 'message'))[0]), 'hello')
    socket.terminate()
  })

  test('upgrade answers whatever is not a WebSocket of ours, and closes', async () => {
    const { port } = await serve(bff.handle, (server) => server.on('upgrade', bff.upgrade))
    const own = `Host: localhost\r\nCookie: ${cookie}\r\nX-CSRF: 1\r\nOrigin: ${world.origin}\r\n`
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
