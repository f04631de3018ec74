import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { askDirectly, startDirectServer } from './embedding.ts'
import { pour, stalled } from './pour.ts'
import { ask, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { agreed, ended, frame, frameHead, signIn } from './stream-peers.ts'

describe('a WebSocket whose session ends while a frame is under way', { concurrency: false }, () => {
  const disposal = new AsyncDisposableStack()
  let raw: RawUpstream
  let world: World
  let server: Server
  let port: number
  before(async () => {
    raw = disposal.use(await startRawUpstream())
    const routes = [{ path: '/api', upstream: raw.url, webSocket: true }]
    world = disposal.use(await startWorld({ store: 'memory', bff: { routes } }))
    const bff = world.nodes[0]?.bff
    assert.ok(bff !== undefined)
    // What it has read can be seen.
    ;({ server, port } = disposal.use(await startDirectServer(bff)))
  })
  after(() => disposal.disposeAsync())

  for (const [name, whole] of Object.entries({
    'a short frame': frame(5),
    'an empty frame behind its first byte': frame(0),
    'a frame with a length of 16 bits': frame(300),
    'a frame with a length of 64 bits': frame(70_000),
    'a masked frame': frame(7, true),
  })) {
    test(`says 4401 right behind ${name}, wherever in it that was`, async () => {
      const cuts = [1, 2, 3, 5, 9, 12, whole.length - 1].filter((cut) => cut < whole.length)
      for (const cut of new Set(cuts)) {
        const user = await signIn(world)
        const { line, upstream } = await ask(raw, user.handshake, port)
        upstream.write(agreed)
        await line.until('\r\n\r\n')
        const head = line.text.length
        upstream.write(whole.subarray(0, cut))
        while (line.text.length < head + cut) await once(line.socket, 'data')
        await user.logOut()
        upstream.write(Buffer.concat([whole.subarray(cut), frame(3)]))
        await line.closed()
        assert.ok(line.text.slice(head) === whole.toString('latin1') + ended, `cut behind ${cut} bytes`)
      }
    })
  }

  test('inside a frame that does not end is broken off after a second, and no sooner', async () => {
    const user = await signIn(world)
    const { line, upstream } = await ask(raw, user.handshake, port)
    upstream.write(agreed)
    upstream.write(Buffer.concat([frameHead(2 ** 40), Buffer.from('only so much')]))
    await line.until('only so much')
    const began = performance.now()
    await user.logOut()
    await line.closed()
    const tookMs = performance.now() - began
    assert.ok(tookMs > 900 && tookMs < 4_000, `${tookMs} ms`)
    assert.ok(line.text.endsWith('only so much'), 'nothing is put inside a frame')
  })

  test('is heard until the browser closes, though it was told to wait for its upstream', async () => {
    const user = await signIn(world)
    const { line, upstream, near } = await askDirectly({ server, port }, raw, user.handshake)
    upstream.write(agreed)
    await line.until('\r\n\r\n')
    upstream.pause()
    await stalled(pour(line.socket, 100_000_000))
    line.socket.removeAllListeners('drain')
    const closed = once(near, 'close')
    await user.logOut()
    await closed
    upstream.destroy()
    assert.ok(line.text.endsWith(ended))
    assert.equal(near.readableEnded, true, 'broken off with something unread')
  })

  test('passes nothing on that the browser says from then on', async () => {
    const user = await signIn(world)
    const { line, upstream, near } = await askDirectly({ server, port }, raw, user.handshake)
    upstream.write(agreed)
    upstream.write(Buffer.concat([frameHead(5), Buffer.from('he')]))
    await line.until('he')
    await user.logOut()
    const read = once(near, 'data')
    line.socket.write(frame(5, true))
    await read
    upstream.write('llo')
    await line.closed()
    await raw.emptied()
    assert.match(raw.heard.at(-1) ?? '', /^GET \/x HTTP\/1\.1\r\n(?:.+\r\n)*\r\n$/)
    assert.ok(line.text.endsWith(`hello${ended}`))
  })
})
