import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import { closeServer, listen } from '../../demo/listen.ts'
import { createCertificate } from '../support/certificate.ts'
import { startWorld, type World } from '../support/world.ts'
import { type Line, openLine, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { agreed } from './stream-peers.ts'

/** How soon the upstream must be let go, in milliseconds. */
const soonMs = 5_000

/** How long nothing may pass where a route limits that, in seconds. */
const idle = 1.2

/** Text frames, one masked as browsers have to. */
const fromUpstream = Buffer.from([0x81, 3, 0x62, 0x79, 0x65])
const goingAway = '\x88\x0c\x03\xe9going away'
const fromBrowser = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])

describe('one side of a WebSocket that leaves', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let handshake: (path: string, more?: string) => string
  let logOut: () => Promise<Response>
  before(async () => {
    raw = await startRawUpstream()
    const routes = [
      { path: '/ws', upstream: raw.url, webSocket: true },
      { path: '/idle', upstream: raw.url, webSocket: true, timeouts: { idle } },
    ]
    world = await startWorld({ store: 'memory', bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const own = `Host: localhost\r\nCookie: bff=${browser.cookies.get('bff')?.value}\r\nOrigin: ${world.origin}\r\n`
    handshake = (path, more = '') =>
      `GET ${path} HTTP/1.1\r\n${own}Connection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`
    logOut = () => browser.api('/bff/logout', { method: 'POST' })
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** Both ends, when the upstream has heard the handshake and said its answer. */
  async function open(path: string, answer: string): Promise<{ line: Line; upstream: Socket }> {
    const arrived = Promise.withResolvers<Socket>()
    raw.say((socket) => arrived.resolve(socket))
    const line = await openLine(world.relay.port)
    line.socket.allowHalfOpen = true
    line.socket.write(handshake(path))
    const upstream = await arrived.promise
    upstream.allowHalfOpen = true
    upstream.write(answer)
    if (answer !== '') await line.until('\r\n\r\n')
    return { line, upstream }
  }

  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`the browser before the upstream has agreed (${how}): the upstream is let go at once`, async () => {
      const { line, upstream } = await open('/ws/x', '')
      const ended = once(upstream, 'end', { signal: AbortSignal.timeout(soonMs) })
      line.socket[how]()
      await ended
      upstream.destroy()
      line.socket.destroy()
    })
  }

  test('the upstream for its half: what the browser still says is passed on', async () => {
    const { line, upstream } = await open('/ws/x', agreed)
    const ended = once(line.socket, 'end')
    upstream.end(fromUpstream)
    await ended
    assert.ok(line.text.endsWith('\x81\x03bye'))
    const heard = once(upstream, 'data')
    line.socket.write(fromBrowser)
    assert.deepEqual((await heard)[0], fromBrowser)
    const closed = once(upstream, 'close')
    line.socket.end()
    await closed
  })

  test('the browser for its half, over TLS: it hears the other half out', async () => {
    const { key, cert } = createCertificate()
    const bff = world.nodes[0]?.bff
    assert.ok(bff !== undefined)
    const server = createServer({ key, cert }, bff.handle)
    bff.attach(server)
    const port = await listen(server, 0, '127.0.0.1')
    const arrived = Promise.withResolvers<Socket>()
    raw.say((socket) => arrived.resolve(socket))
    const halfOpen = { port, host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true } // types lack the last one
    const browser = connect(halfOpen)
    let text = ''
    browser.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    browser.write(handshake('/ws/x'))
    const upstream = await arrived.promise
    upstream.allowHalfOpen = true
    upstream.write(agreed)
    while (!text.includes('\r\n\r\n')) await once(browser, 'data')
    const [ended, closed] = [once(upstream, 'end'), once(browser, 'close')]
    browser.end()
    await ended
    upstream.end(fromUpstream)
    await closed
    assert.ok(text.endsWith('\x81\x03bye'))
    await closeServer(server)
  })

  test('the upstream by a reset while the browser speaks: its last word arrives, and the browser is let go', async () => {
    const { line, upstream } = await open('/ws/x', agreed)
    upstream.pause()
    const closed = Promise.withResolvers<void>()
    line.socket.once('close', () => closed.resolve()) // by a reset, too
    line.socket.write(Buffer.alloc(5_000_000))
    upstream.write(fromUpstream, () => upstream.destroy())
    await closed.promise
    assert.ok(line.text.endsWith('\x81\x03bye'))
  })

  test('a handshake with a body is refused, and the upstream is not asked', async () => {
    const { length } = raw.log
    for (const body of ['Content-Length: 2\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const line = await openLine(world.relay.port)
      line.socket.write(`${handshake('/ws/x', body)}hi`)
      await line.closed()
      assert.match(line.text, /^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/)
    }
    assert.equal(raw.log.length, length)
  })

  test('nobody, and nothing passes: it is closed with 1001 where its route says how long that may be, and nowhere else', async () => {
    const other = await open('/ws/x', agreed)
    const { line, upstream } = await open('/idle/x', agreed)
    const ended = once(upstream, 'end')
    // Never idle for long enough: whatever passes, in either direction, counts.
    for (let i = 0; i < 8; i++) {
      const [from, to] = i % 2 === 0 ? ([upstream, line.socket] as const) : ([line.socket, upstream] as const)
      const arrived = once(to, 'data')
      await pause((idle * 1_000) / 5)
      from.write(i % 2 === 0 ? fromUpstream : fromBrowser)
      await arrived
    }
    assert.equal(line.text.includes(goingAway), false)
    await ended
    await line.until(goingAway)
    assert.ok(line.text.endsWith(goingAway))
    upstream.destroy()
    line.socket.destroy()
    assert.equal(other.upstream.destroyed, false)
    other.line.socket.destroy()
  })

  test('the upstream for its half, and then the session ends: the browser is let go too', async () => {
    const { line, upstream } = await open('/ws/x', agreed)
    const ended = once(line.socket, 'end')
    upstream.end()
    await ended
    const gone = once(upstream, 'close', { signal: AbortSignal.timeout(soonMs) })
    assert.equal((await logOut()).status, 200)
    await gone
    line.socket.destroy()
    assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)
  })
})
