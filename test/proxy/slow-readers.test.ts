import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBff } from '../../src/index.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld, type World } from '../support/world.ts'
import { ask, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

/** How long a client may take nothing. */
const limitMs = 1_000

/** More than the system holds on the way. */
const burst = Buffer.alloc(40_000_000, 'line\n')
const aMouthful = burst.length / 10

describe('a client that does not take what it is sent', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let get: string
  before(async () => {
    raw = await startRawUpstream()
    const routes = [{ path: '/api', upstream: raw.url }]
    world = await startWorld({ store: 'memory', bff: { routes, timing: { idleBody: limitMs } } })
    get = `GET /api/x HTTP/1.1\r\nHost: localhost\r\n${await signInLines(world)}\r\n`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  for (const type of ['text/plain', 'text/event-stream']) {
    const head = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n`

    test(`is let go in time, and so is its upstream: ${type}`, async () => {
      const { line, upstream } = await ask(raw, get, world.relay.port)
      line.socket.pause()
      upstream.write(head)
      upstream.write(burst)
      await raw.emptied(30 * limitMs)
      line.socket.resume()
      await line.closed()
      assert.ok(line.text.length < burst.length)
    })
  }

  test("is let go in time by a server of somebody else's too, though it has taken some before", async () => {
    const server = createServer((request, response) => world.nodes[0]?.bff.handle(request, response))
    const { line, upstream } = await ask(raw, get, await listen(server, 0, '127.0.0.1'))
    upstream.write('HTTP/1.1 200 OK\r\n\r\n')
    upstream.write(burst)
    await take(line.socket, 3 * aMouthful)
    await raw.emptied(30 * limitMs)
    line.socket.destroy()
    await closeServer(server)
  })

  test('but a little from time to time gets everything, and its event stream may be silent afterwards', async () => {
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    const { line, upstream } = await ask(raw, get, world.relay.port)
    upstream.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
    upstream.write(burst)
    const began = performance.now()
    for (let taken = 0; taken < burst.length; taken += aMouthful) {
      await take(line.socket, taken + aMouthful)
      await pause(limitMs / 6)
    }
    assert.ok(performance.now() - began > 1.5 * limitMs)
    await pause(1.5 * limitMs)
    line.socket.resume()
    upstream.write('the last')
    await line.until('the last')
    line.socket.destroy()
    process.off('warning', warned)
    assert.deepEqual(warnings, [], 'listeners heap up')
  })

  describe('on a server of ours', () => {
    const onlyMuch = 'HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\n'.padEnd(15_048, 'x')
    const open = 'GET /open/x HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\n\r\n'
    const file = 'GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n'
    let at: AsyncDisposableStack
    let accepted: () => Promise<Socket>
    let port: number
    before(async () => {
      await using starting = new AsyncDisposableStack()
      const spa = await mkdtemp(join(tmpdir(), 'spa-'))
      starting.defer(() => rm(spa, { recursive: true }))
      await writeFile(join(spa, 'index.html'), '<!doctype html>')
      await writeFile(join(spa, 'big.txt'), burst)
      const open = { upstream: raw.url, token: 'none' as const }
      const routes = [
        { path: '/open', ...open },
        { path: '/ws', ...open, webSocket: true },
      ]
      const options = { ...world.options, port: 0, spa, routes, timing: { idleBody: limitMs } }
      const bff = createBff(options, createRecordedLog())
      starting.defer(() => bff.close())
      const server = await bff.listen()
      accepted = async () => (await once(server, 'connection'))[0]
      port = (server.address() as AddressInfo).port // only pipes have a string
      at = starting.move()
    })
    after(() => at.disposeAsync())

    /** Both ends of a connection whose client does not read. */
    async function unread(): Promise<{ far: Socket; near: Socket }> {
      const [near, { socket: far }] = await Promise.all([accepted(), openLine(port)])
      far.pause()
      return { far, near }
    }

    test('is let go in time where it is a file of the SPA', async () => {
      const { far, near } = await unread()
      far.write(file)
      await once(near, 'close', { signal: AbortSignal.timeout(30 * limitMs) })
      far.destroy()
    })

    test('is let go in time where each of its answers goes out at once', async () => {
      raw.say((socket) => void socket.write(onlyMuch))
      const { far, near } = await unread()
      const late = AbortSignal.timeout(30 * limitMs)
      const before = raw.log.length
      for (let asked = 0; !near.destroyed; await pause(5, null, { signal: late })) {
        if (raw.log.length - before < asked) continue
        far.write(open.repeat(20))
        asked += 20
      }
      far.destroy()
    })

    test('is let go in time where it does not close what is over either', async () => {
      const { far, near } = await unread()
      far.write('garbage\r\n\r\n')
      await once(near, 'close', { signal: AbortSignal.timeout(30 * limitMs) })
      far.destroy()
    })

    test('is given any time where it is a WebSocket', async () => {
      raw.say((socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
        socket.write(burst)
      })
      const { far, near } = await unread()
      const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
      far.write(`GET /ws/x HTTP/1.1\r\nHost: localhost\r\nOrigin: ${world.origin}\r\n${upgrade}\r\n`)
      while (near.writableLength === 0) await pause(5)
      await pause(2 * limitMs)
      assert.equal(near.destroyed, false)
      await take(far, burst.length)
      far.destroy()
    })

    test('but a little from time to time gets all of a file', async () => {
      const { far } = await unread()
      far.write(file)
      const began = performance.now()
      for (let taken = 0; taken < burst.length; taken += aMouthful) {
        await take(far, taken + aMouthful)
        await pause(limitMs / 6)
      }
      assert.ok(performance.now() - began > 1.5 * limitMs)
      far.destroy()
    })
  })
})

/** Reads until there were so many bytes in all. */
async function take(socket: Socket, bytes: number): Promise<void> {
  socket.resume()
  while (socket.bytesRead < bytes) await once(socket, 'data')
  socket.pause()
}
