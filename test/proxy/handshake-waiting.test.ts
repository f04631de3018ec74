import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { heapUsed } from '../support/heap.ts'
import { startWorld, type World } from '../support/world.ts'
import { startDirectServer } from './embedding.ts'
import { pour, stalled } from './pour.ts'
import { ask, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { agreed, signIn } from './stream-peers.ts'

/** How soon the upstream must be let go, in milliseconds. */
const soonMs = 5_000

describe('a WebSocket handshake that waits for the answer of its upstream', { concurrency: false }, () => {
  const disposal = new AsyncDisposableStack()
  let raw: RawUpstream
  let world: World
  let server: Server
  let port: number
  let handshake: string
  before(async () => {
    raw = disposal.use(await startRawUpstream())
    const routes = [{ path: '/api', upstream: raw.url, webSocket: true }]
    world = disposal.use(await startWorld({ store: 'memory', bff: { routes } }))
    const bff = world.nodes[0]?.bff
    assert.ok(bff !== undefined)
    ;({ server, port } = disposal.use(await startDirectServer(bff)))
    handshake = (await signIn(world)).handshake
  })
  after(() => disposal.disposeAsync())

  const wait = () => ask(raw, handshake, port)
  const letGo = (socket: Socket) => once(socket, 'close', { signal: AbortSignal.timeout(soonMs) })

  test('is over when the browser leaves, though it has sent something behind it', async () => {
    const waiting = await wait()
    const gone = letGo(waiting.upstream)
    waiting.line.socket.write('x'.repeat(10_000))
    waiting.line.socket.end()
    await gone
  })

  test('keeps what the browser sends behind it, byte for byte', async () => {
    const { line, upstream } = await wait()
    const early = Array.from({ length: 60_000 }, (_, i) => String.fromCharCode(i % 256)).join('')
    line.socket.write(early.slice(0, 10_000), 'latin1')
    upstream.write('HTTP/1.1 102 Processing\r\n\r\n')
    await line.until('102')
    line.socket.write(early.slice(10_000), 'latin1')
    let heard = ''
    const all = Promise.withResolvers<void>()
    upstream.setEncoding('latin1').on('data', (text: string) => {
      heard += text
      if (heard.length >= early.length) all.resolve()
    })
    upstream.write(agreed)
    await all.promise
    assert.equal(heard, early)
    line.socket.destroy()
  })

  test('leaves nothing of itself behind for as long as the WebSocket lasts', async () => {
    const came: Promise<WeakRef<IncomingMessage>> = new Promise((resolve) => {
      server.once('upgrade', (request) => resolve(new WeakRef(request)))
    })
    const { line, upstream } = await wait()
    const request = await came
    upstream.write(agreed)
    await line.until('\r\n\r\n')
    // What was done just now may still have it at hand.
    for (let tries = 0; request.deref() !== undefined && tries < 20; tries++) {
      await pause(10)
      heapUsed()
    }
    const isGone = request.deref() === undefined
    const isOpen = !line.socket.closed
    line.socket.destroy()
    assert.deepEqual({ isGone, isOpen }, { isGone: true, isOpen: true })
  })

  test('is broken off when the browser sends more behind it than is worth keeping', async () => {
    const waiting = await wait()
    const gone = letGo(waiting.upstream)
    waiting.line.socket.write('x'.repeat(200_000))
    await Promise.all([gone, waiting.line.closed()])
  })

  test('leaves no connection when the upstream agrees at the moment when the browser leaves', async () => {
    const { line, upstream } = await wait()
    const gone = letGo(upstream)
    // Both lie before the BFF when it looks next, in this order.
    line.socket.end(() => upstream.write(agreed))
    await gone
  })

  test('is answered by plain HTTP to the last byte, however long that is', async () => {
    const { line, upstream } = await wait()
    const body = 'long '.repeat(200_000)
    const closed = line.closed()
    upstream.end(`HTTP/1.1 503 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await closed
    assert.match(line.text, /^HTTP\/1\.1 503 /)
    assert.ok(line.text.endsWith(`\r\n\r\n${body}`), `${line.text.length} bytes arrived`)
  })

  for (const [name, lines] of Object.entries({
    'another protocol': 'Connection: Upgrade\r\nUpgrade: h2c\r\n',
    'another protocol as well': 'Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n',
    'a protocol that it does not name': 'Connection: Upgrade\r\n',
    'a protocol on some other connection': 'Upgrade: websocket\r\n',
  })) {
    test(`is 502 when the upstream switches to ${name}, and the upstream is let go`, async () => {
      const { line, upstream } = await wait()
      const gone = letGo(upstream)
      upstream.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`)
      await Promise.all([gone, line.closed()])
      assert.match(line.text, /^HTTP\/1\.1 502 [\s\S]*"code":"upstream_unreachable"/)
      assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)
    })
  }

  test('holds its upstream up while the browser does not read a long answer', async () => {
    const { line, upstream } = await wait()
    line.socket.pause()
    const total = 60_000_000
    upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    await stalled(pour(upstream, total)).finally(() => line.socket.resume())
    await line.closed()
    assert.ok(line.text.length > total)
  })
})
