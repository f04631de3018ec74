import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Bff, type BffOptions, createBff } from '../../src/index.ts'
import { startServer, stopServer } from '../../src/servers.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { ask, fine, isWhole, type Line, openLine, type RawUpstream, startRawUpstream } from './raw-peers.ts'

const get = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\n\r\n'
const keepsWriting = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
/** Less than Node keeps back before it asks for a pause. */
const piece = Buffer.alloc(16_384, 'x')
const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])

interface Running extends AsyncDisposable {
  bff: Bff
  server: Server
  port: number
}

// A TCP server's address is an AddressInfo; only pipes have a string.
const portOf = (server: Server) => (server.address() as AddressInfo).port

describe('while a server stops', { concurrency: false }, () => {
  let raw: RawUpstream
  before(async () => {
    raw = await startRawUpstream()
  })
  after(() => raw[Symbol.asyncDispose]())

  async function start(timing: { drain?: number } = {}): Promise<Running> {
    const options: BffOptions = {
      publicUrl: 'http://localhost:3000',
      port: 0,
      issuer: 'http://127.0.0.1:9',
      clientId: 'app',
      clientSecret: 'not-a-secret',
      sessionSecret: 'x'.repeat(32),
      store: 'memory',
      routes: [{ path: '/api', upstream: raw.url, token: 'none' }],
      timing,
    }
    const bff = createBff(options, createRecordedLog())
    const server = await bff.listen()
    return { bff, server, port: portOf(server), [Symbol.asyncDispose]: () => bff.close() }
  }

  /** A connection whose client does not read, with an answer that is written, though its last bytes are still with us. */
  async function leaveUntaken(running: Running, requests = get): Promise<{ line: Line; near: Socket }> {
    const { line, near, response, upstream } = await askFor(running, requests)
    line.socket.pause()
    upstream.write(keepsWriting)
    for (let sent = 0; near.writableLength === 0; ) {
      upstream.write(chunk)
      sent += piece.length
      while (near.bytesWritten < sent) await turn()
    }
    upstream.write('0\r\n\r\n')
    while (!response.writableEnded) await turn()
    if (near.writableLength > 0) return { line, near }
    // The system has found room for them after all.
    line.socket.destroy()
    return leaveUntaken(running, requests)
  }

  /** Both ends of a connection of ours, and the upstream's when it has heard the first of the requests. */
  async function askFor({ server, port }: Running, requests: string) {
    const accepted: Promise<Socket[]> = once(server, 'connection')
    const asked: Promise<[unknown, ServerResponse]> = once(server, 'request') as Promise<never> // events have no types
    const { line, upstream } = await ask(raw, requests, port)
    raw.say((socket) => void socket.write(fine))
    const [near] = await accepted
    assert.ok(near)
    return { line, near, upstream, response: (await asked)[1] }
  }

  test('an answer whose last bytes a slow client has yet to take arrives whole', async () => {
    await using running = await start()
    const { line } = await leaveUntaken(running)
    const closed = running.bff.close()
    line.socket.resume()
    await line.closed()
    assert.ok(isWhole(line.text), `${line.text.length} bytes arrived`)
    await closed
  })

  test('a request that has come before, and waits behind such an answer, is answered too', async () => {
    await using running = await start()
    const { line } = await leaveUntaken(running, get + get)
    const closed = running.bff.close()
    line.socket.resume()
    await line.closed()
    assert.match(line.text.slice(-1_000), /\r\n0\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nfine$/)
    await closed
  })

  test('an answer of a server without routes, as the one for operators is, arrives whole as well', async () => {
    const bytes = 30_000_000
    const written = Promise.withResolvers<void>()
    const server = createServer((_request, response) => {
      response.end('x'.repeat(bytes))
      written.resolve()
    })
    await startServer(server, 0, '127.0.0.1')
    const line = await openLine(portOf(server))
    line.socket.write(get)
    await written.promise
    const stopped = stopServer(server)
    await line.closed()
    assert.ok(line.text.length > bytes, `${line.text.length} bytes arrived`)
    await stopped
  })

  test('a kept connection that is idle is closed at once, while such an answer waits elsewhere', async () => {
    await using running = await start()
    raw.say((socket) => void socket.write(fine))
    const kept = await openLine(running.port)
    kept.socket.write(get)
    await kept.until('fine')
    const { line } = await leaveUntaken(running)
    const closed = running.bff.close()
    await kept.closed()
    line.socket.resume()
    await line.closed()
    assert.ok(isWhole(line.text), `${line.text.length} bytes arrived`)
    await closed
  })

  test('a client that never takes its answer is waited for as long as the configured time, and no longer', async () => {
    const drain = 1_000
    await using running = await start({ drain })
    const { line, near } = await leaveUntaken(running)
    const began = performance.now()
    await running.bff.close()
    const tookMs = performance.now() - began
    assert.ok(tookMs > drain / 2 && tookMs < 20 * drain, `${tookMs} ms`)
    line.socket.destroy()
    assert.equal(near.destroyed, true)
  })

  test('an answer says that its connection closes', async () => {
    await using running = await start()
    const { line, upstream } = await askFor(running, get)
    const closed = running.bff.close()
    upstream.write(fine)
    await line.closed()
    assert.match(line.text, /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Connection: close\r\n(.+\r\n)*\r\nfine$/)
    await closed
  })

  test('of several requests that have come by one connection each is answered, and the last answer says that it closes', async () => {
    await using running = await start()
    const { line, upstream } = await askFor(running, get + get + get)
    const closed = running.bff.close()
    upstream.write(fine)
    await line.closed()
    const told = [...line.text.matchAll(/^Connection: (.+)\r\n(?:.+\r\n)*\r\nfine/gm)].map((match) => match[1])
    assert.deepEqual(told, ['keep-alive', 'keep-alive', 'close'])
    await closed
  })

  test('a request that comes behind one in flight is answered, as the last of its connection', async () => {
    await using running = await start()
    const { line, upstream } = await askFor(running, get)
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
    await line.until('half')
    const closed = running.bff.close()
    const came = once(running.server, 'request')
    line.socket.write(get)
    await came
    upstream.write('done')
    await line.closed()
    assert.match(line.text, /halfdoneHTTP\/1\.1 200 OK\r\n(.+\r\n)*Connection: close\r\n(.+\r\n)*\r\nfine$/)
    await closed
  })
})
