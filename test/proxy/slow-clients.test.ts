import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBff } from '../../src/index.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld, type World } from '../support/world.ts'
import { fine, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

/** The longest pause in a body, in milliseconds. */
const pauseMs = 1_500

describe('a client that takes its time', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const routes = [{ path: '/api', upstream: raw.url }]
    world = await startWorld({ store: 'memory', bff: { routes, timing: { idleBody: pauseMs } } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const post = (length: number) => `POST /api/x HTTP/1.1\r\n${own}Content-Length: ${length}\r\n\r\n`

  test('over an upload, without a pause that is too long, is served, waits for its answer, and keeps its connection', async () => {
    const whole = Promise.withResolvers<Socket>()
    const pieces = [...'abcdefghijklmnop']
    raw.say((socket) => socket.on('data', (chunk: Buffer) => chunk.includes('p') && whole.resolve(socket)))
    const line = await openLine(world.relay.port)
    line.socket.write(post(2 * pieces.length))
    const began = performance.now()
    for (const piece of pieces) {
      await pause(pauseMs / 10)
      line.socket.write(`${piece}\n`) // the upstream's ears want the next request on a line of its own
    }
    const upstream = await whole.promise
    assert.ok(performance.now() - began > 1.2 * pauseMs)
    await pause(1.2 * pauseMs)
    upstream.write(fine)
    await line.until('fine')
    await pause(1.2 * pauseMs)
    raw.say((socket) => void socket.write(fine))
    line.socket.write(`GET /api/again HTTP/1.1\r\n${own}\r\n`)
    await line.until('fineHTTP/1.1 200 OK')
    line.socket.destroy()
  })

  test('and stops in the middle of an upload is let go, and so is its upstream, which takes no half for a whole', async () => {
    const arrived = Promise.withResolvers<Socket>()
    raw.say((socket) => arrived.resolve(socket))
    const line = await openLine(world.relay.port)
    line.socket.write(`POST /api/x HTTP/1.1\r\n${own}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`)
    const upstream = await arrived.promise
    const closed = once(upstream, 'close')
    const { length } = raw.heard
    await Promise.all([line.closed(), closed])
    assert.match(raw.heard[length] ?? '', /half/)
    assert.doesNotMatch(raw.heard[length] ?? '', /\r\n0\r\n/)
  })

  test('over its heads, three hundred times, holds up nobody else', async () => {
    raw.say((socket) => void socket.write(fine))
    const lines = await Promise.all(Array.from({ length: 300 }, () => openLine(world.relay.port)))
    for (const { socket } of lines) socket.write('GET /api/x HTTP/1.1\r\nHos')
    const quick = await openLine(world.relay.port)
    quick.socket.write(`GET /api/x HTTP/1.1\r\n${own}\r\n`)
    await quick.until('fine')
    for (const { socket } of [...lines, quick]) socket.destroy()
  })

  test('has as long as it likes for a whole request, a minute for a head, and a connection for longer than a load balancer has', async () => {
    const bff = createBff(world.options, createRecordedLog())
    const { requestTimeout, headersTimeout, keepAliveTimeout } = await bff.listen()
    await bff.close()
    assert.deepEqual([requestTimeout, headersTimeout, keepAliveTimeout], [0, 60_000, 65_000])
  })

  test("too long for a server of somebody else's is told so by 408, and the server keeps its connections for as long as ours", async () => {
    const bff = createBff(world.options, createRecordedLog())
    const server = createServer(
      { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 },
      bff.handle,
    )
    bff.attach(server)
    const port = await listen(server, 0, '127.0.0.1')
    const line = await openLine(port)
    line.socket.write('GET /api/x HTTP/1.1\r\nHos')
    await line.closed()
    assert.match(line.text, /^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/)
    assert.equal(server.keepAliveTimeout, 65_000)
    await closeServer(server)
    await bff.close()
  })

  test("keeps a connection to a server of somebody else's for as long as that says, where it is longer than ours, or for ever", async () => {
    for (const keepAliveTimeout of [90_000, 0]) {
      const server = createServer({ keepAliveTimeout })
      world.nodes[0]?.bff.attach(server)
      assert.equal(server.keepAliveTimeout, keepAliveTimeout)
    }
  })
})
