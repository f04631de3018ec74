import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'
import { fine, openLine, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { agreed, signIn } from './stream-peers.ts'

/** How many times each is tried; every other request meets a connection that dies of it. */
const rounds = 40

describe('an upstream that closes a kept connection just as it is used again', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let browser: Browser
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({
      store: 'memory',
      bff: { routes: [{ path: '/api', upstream: raw.url, webSocket: true }] },
    })
    browser = world.browser()
    await browser.login()
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** Answers the first request of every connection, and dies of the second, with these bytes as its last. */
  function dies(end: 'resetAndDestroy' | 'end', lastWords = ''): void {
    raw.say((socket: Socket, nth) => {
      if (nth === 1) socket.write(fine)
      else if (lastWords === '') socket[end]()
      else socket.write(lastWords, () => socket[end]())
    })
  }

  /** Statuses of `rounds` requests one after the other, and how often the upstream has seen each. */
  async function ask(init: RequestInit): Promise<{ statuses: number[]; seen: number[] }> {
    const statuses: number[] = []
    const seen: number[] = []
    for (let i = 0; i < rounds; i++) {
      const { length } = raw.log
      const response = await browser.api('/api/x', init)
      await response.body?.cancel()
      statuses.push(response.status)
      seen.push(raw.log.length - length)
    }
    return { statuses, seen }
  }

  for (const end of ['resetAndDestroy', 'end'] as const) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT']) {
      test(`${end}: no ${method} without a body fails, and none is seen more than twice`, async () => {
        dies(end)
        const { statuses, seen } = await ask({ method })
        assert.deepEqual(new Set(statuses), new Set([200]))
        assert.ok(Math.max(...seen) <= 2)
        // HEAD is never sent on a connection that is kept.
        if (method !== 'HEAD') assert.ok(seen.includes(2), 'no connection has died')
      })
    }

    // The upstream's ears want every request on a line of its own.
    for (const [name, init] of Object.entries({
      'POST without a body': { method: 'POST' },
      'POST with a body': { method: 'POST', body: 'x\r\n' },
      'PATCH without a body': { method: 'PATCH' },
      'PUT with a body': { method: 'PUT', body: 'x\r\n' },
    })) {
      test(`${end}: every ${name} is seen once, and answered by 502 where it was lost`, async () => {
        dies(end)
        const { statuses, seen } = await ask(init)
        assert.deepEqual(new Set(seen), new Set([1]))
        assert.deepEqual(new Set(statuses), new Set([200, 502]))
      })
    }

    test(`${end}: twenty GETs at once on twenty dying connections all succeed`, async () => {
      const burst = () => Promise.all(Array.from({ length: 20 }, () => browser.api('/api/x')))
      raw.say((socket) => void setImmediate(() => socket.write(fine)))
      await burst()
      dies(end)
      for (let i = 0; i < 5; i++) for (const { status } of await burst()) assert.equal(status, 200)
    })

    test(`${end}: a WebSocket is opened all the same, and its handshake is seen twice`, async () => {
      const user = await signIn(world)
      raw.say((socket) => void socket.write(fine))
      await browser.api('/api/x')
      const { length } = raw.log
      raw.say((socket, nth) => void (nth === 1 ? socket.write(agreed) : socket[end]()))
      const line = await openLine(world.relay.port)
      line.socket.write(user.handshake)
      await line.until('\r\n\r\n')
      assert.match(line.text, /^HTTP\/1\.1 101 /)
      assert.equal(raw.log.length - length, 2)
      line.socket.destroy()
    })

    test(`${end}: a GET that has been answered in part is not sent again`, async () => {
      for (const lastWords of ['H', 'HTTP/1.1 200 OK\r\nContent-', 'HTTP/1.1 103 Early Hints\r\n\r\n']) {
        dies(end, lastWords)
        const { statuses, seen } = await ask({})
        assert.deepEqual([new Set(seen), new Set(statuses)], [new Set([1]), new Set([200, 502])])
      }
    })

    test(`${end}: a GET on a connection that is new is not sent again`, async () => {
      raw.say((socket) => void socket.destroy())
      await ask({}) // no connection is left that has ever answered
      raw.say((socket) => void socket[end]())
      const { statuses, seen } = await ask({})
      assert.deepEqual([new Set(seen), new Set(statuses)], [new Set([1]), new Set([502])])
    })
  }

  test('a GET that meets two such connections is sent twice and not a third time', async () => {
    raw.say((socket) => void socket.write(fine))
    await browser.api('/api/x')
    raw.say((socket) => void socket.destroy())
    const { length } = raw.log
    assert.equal((await browser.api('/api/x')).status, 502)
    assert.equal(raw.log.length - length, 2)
  })
})
