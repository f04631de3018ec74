import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startWorld, type World } from '../support/world.ts'
import { ask, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

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

  test('but a little from time to time gets everything, and its event stream may be silent afterwards', async () => {
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
  })
})

/** Reads until there were so many bytes in all. */
async function take(socket: Socket, bytes: number): Promise<void> {
  socket.resume()
  while (socket.bytesRead < bytes) await once(socket, 'data')
  socket.pause()
}
