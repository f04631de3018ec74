import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createBff } from '../../src/index.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld, type World } from '../support/world.ts'
import { askDirectly, startDirectServer } from './embedding.ts'
import { ask, isWhole, openLine, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { agreed, ended, frame, signIn } from './stream-peers.ts'

/** For what happens after a second at the latest, or never, in milliseconds. */
const patienceMs = 10_000

const stream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
const goingAway = '\x88\x0c\x03\xe9going away'

describe('a stream that is open when its session ends', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({
      store: 'memory',
      bff: { routes: [{ path: '/api', upstream: raw.url, webSocket: true }] },
    })
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  test('is told, three hundred times over, within a second, where the machine keeps up', async () => {
    raw.say((socket) => socket.write(agreed))
    for (let round = 1; ; round++) {
      const user = await signIn(world)
      const open = async () => {
        const line = await openLine(world.relay.port)
        line.socket.write(user.handshake)
        await line.until('\r\n\r\n')
        return line
      }
      const lines = await Promise.all(Array.from({ length: 300 }, open))
      const began = performance.now()
      await user.logOut()
      await Promise.all(lines.map((line) => line.until(ended)))
      const tookMs = performance.now() - began
      await Promise.all(lines.map((line) => line.closed()))
      await raw.emptied()
      if (tookMs < 1_000) return
      assert.ok(round < 5, `it has never kept up, at last ${tookMs} ms`)
    }
  })

  test('and that has said how long it will be is broken off at once: nobody waits for the rest', async () => {
    const user = await signIn(world)
    const { line, upstream } = await ask(raw, user.get, world.relay.port)
    upstream.write(`${stream}Content-Length: 1000\r\n\r\ndata: one\n\n`)
    await line.until('data: one')
    await user.logOut()
    await line.closed()
    assert.equal(isWhole(line.text), false)
  })
})

describe('a client that does nothing about the end of its session', () => {
  const disposal = new AsyncDisposableStack()
  let raw: RawUpstream
  let world: World
  let server: Server
  let port: number
  before(async () => {
    raw = disposal.use(await startRawUpstream())
    const routes = [{ path: '/api', upstream: raw.url, webSocket: true }]
    world = disposal.use(await startWorld({ bff: { routes } }))
    const bff = createBff(world.options, createRecordedLog())
    disposal.defer(() => bff.close())
    await bff.ready()
    ;({ server, port } = disposal.use(await startDirectServer(bff)))
  })
  after(() => disposal.disposeAsync())

  test('nor reads its event stream loses it all the same', async () => {
    const user = await signIn(world)
    const { line, upstream, near } = await askDirectly({ server, port }, raw, user.get)
    line.socket.pause()
    upstream.write(`${stream}\r\n`)
    upstream.write(Buffer.alloc(30_000_000, 'data: more\n\n'))
    while (!near.writableNeedDrain) await pause(10)
    const gone = once(near, 'close', { signal: AbortSignal.timeout(patienceMs) })
    await user
      .logOut()
      .finally(() => gone)
      .finally(() => line.socket.destroy())
  })

  test('but reads, however late, hears of it on its WebSocket behind all that came before', async () => {
    const user = await signIn(world)
    const { line, upstream, near } = await askDirectly({ server, port }, raw, user.handshake)
    upstream.write(agreed)
    await line.until('\r\n\r\n')
    line.socket.pause()
    // Frames that go on and on with a message, each of two zeros.
    upstream.write(Buffer.concat([frame(0), Buffer.alloc(30_000_000)]))
    while (!near.writableNeedDrain) await pause(10)
    await user.logOut()
    while (!near.writableEnded && !near.destroyed) await pause(10)
    line.socket.resume()
    await line.closed()
    assert.ok(line.text.endsWith(`\0\0${ended}`))
  })

  test('nor closes its WebSocket loses it a second after it was told', async () => {
    const user = await signIn(world)
    const { line, upstream, near } = await askDirectly({ server, port }, raw, user.handshake)
    line.socket.allowHalfOpen = true
    upstream.write(agreed)
    await line.until('\r\n\r\n')
    const gone = once(near, 'close', { signal: AbortSignal.timeout(patienceMs) })
    const began = performance.now()
    await user.logOut()
    await line.until(ended)
    await gone.finally(() => line.socket.destroy())
    assert.ok(performance.now() - began > 900, 'it had time to')
  })
})

test('what opens only when its node is going away already is closed at once, and holds nothing up', async () => {
  await using disposal = new AsyncDisposableStack()
  const raw = disposal.use(await startRawUpstream())
  const routes = [{ path: '/api', upstream: raw.url, webSocket: true }]
  const world = disposal.use(await startWorld({ store: 'memory', bff: { routes } }))
  const user = await signIn(world)
  const events = await ask(raw, user.get, world.relay.port)
  const socket = await ask(raw, user.handshake, world.relay.port)
  const closed = world.nodes[0]?.bff.close()
  socket.upstream.write(agreed)
  await socket.line.until(goingAway)
  events.upstream.write(`${stream}\r\ndata: one\n\n`)
  await events.line.until('\r\n0\r\n')
  socket.line.socket.destroy()
  await closed
})
