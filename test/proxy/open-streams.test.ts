import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'redis'
import { WebSocket, WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import type { BffOptions } from '../../src/index.ts'
import { timingSchema } from '../../src/timing.ts'
import { startRedisGate } from '../rotation/redis-gate.ts'
import type { Browser } from '../support/browser.ts'
import { type OwnRedis, startRedis } from '../support/redis.ts'
import { startWorld, type World } from '../support/world.ts'

/** Far less than the minute after which a node looks for itself, in milliseconds. */
const soonMs = 5_000

describe('what is open when its session ends', { concurrency: false }, () => {
  const upstream = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
  })
  const sockets = new WebSocketServer({ server: upstream })
  sockets.on('connection', (socket) => socket.send('hello'))
  let redis: OwnRedis
  let routes: BffOptions['routes']
  before(async () => {
    redis = await startRedis()
    const live = `http://127.0.0.1:${await listen(upstream, 0, '127.0.0.1')}`
    routes = [{ path: '/api', upstream: live, webSocket: true }]
  })
  after(async () => {
    for (const client of sockets.clients) client.terminate()
    await closeServer(upstream)
    await redis.close()
  })

  /** Opens an event stream and a WebSocket at a node; resolves when both are through. */
  async function opens(world: World, browser: Browser, node: number) {
    const { origin = '' } = world.nodes[node]?.relay ?? {}
    const stream = await browser.api(`${origin}/api/events`, { headers: { accept: 'text/event-stream' } })
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/api/ws`, {
      headers: { cookie, origin: world.origin },
    })
    await once(socket, 'message')
    return { events: stream.text(), closed: once(socket, 'close') }
  }

  /** @returns how long it took, in milliseconds */
  async function ends({ events, closed }: Awaited<ReturnType<typeof opens>>, withinMs = soonMs): Promise<number> {
    const began = performance.now()
    assert.equal(await events, 'data: one\n\n')
    assert.equal((await closed)[0], 4401)
    const tookMs = performance.now() - began
    assert.ok(tookMs < withinMs, `closed after ${tookMs} ms`)
    return tookMs
  }

  /** Takes the session's token record away, and tells nobody. */
  async function removeSilently(world: World): Promise<void> {
    const client = createClient({ url: redis.url })
    await client.connect()
    const keys = await client.keys(`${world.options.redisPrefix}:*:tokens`)
    assert.equal(keys.length, 1)
    await client.del(keys)
    client.destroy()
  }

  test('a logout that one node has acknowledged is refused by the other on the next call, and closes what is open there', async () => {
    await using world = await startWorld({ nodes: 2, redisUrl: redis.url, bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const open = [await opens(world, browser, 0), await opens(world, browser, 1)]
    const call = () => browser.api(`${world.nodes[1]?.relay.origin}/api/x`)
    const before = await call()
    assert.equal(before.status, 200)
    await before.body?.cancel()
    const cookie = browser.cookies.get('bff')?.value ?? ''
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    browser.setCookie('bff', cookie)
    const refused = await call()
    assert.deepEqual([refused.status, (await refused.json()).code], [401, 'no_session'])
    for (const each of open) await ends(each)
  })

  test('by another node is closed within a second, where the machine keeps up', async () => {
    await using world = await startWorld({ nodes: 2, redisUrl: redis.url, bff: { routes } })
    for (let round = 1; ; round++) {
      const browser = world.browser()
      await browser.login()
      const open = await opens(world, browser, 1)
      assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
      if ((await ends(open)) < 1_000) return
      assert.ok(round < 5, 'it has never kept up')
    }
  })

  test('is closed when its record is gone though nobody said so, at the next look, which is after a minute at the latest', async () => {
    assert.equal(timingSchema.parse({}).recheck, 60_000)
    await using world = await startWorld({ redisUrl: redis.url, bff: { routes, timing: { recheck: 200 } } })
    const browser = world.browser()
    await browser.login()
    const open = await opens(world, browser, 0)
    await removeSilently(world)
    await ends(open)
  })

  test('is closed when its record is gone and the channel comes back, which may have missed the word', async () => {
    await using world = await startWorld({ redisUrl: redis.url, bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const open = await opens(world, browser, 0)
    await removeSilently(world)
    const client = createClient({ url: redis.url })
    await client.connect()
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    client.destroy()
    await ends(open)
  })

  test('is closed when its record went before this node could hear of it, once it hears', async () => {
    await using gate = await startRedisGate(redis.url)
    const subscribing = gate.stop('subscribe', 'before')
    await using world = await startWorld({ redisUrl: gate.url, bff: { routes } })
    await subscribing.reached
    const browser = world.browser()
    await browser.login()
    const open = await opens(world, browser, 0)
    await removeSilently(world)
    subscribing.go()
    await ends(open)
  })

  describe('at a limit of its session', { concurrency: true }, () => {
    for (const [limit, bff] of [
      ['idle', { idleTimeoutSeconds: 3 }],
      ['absolute', { absoluteTimeoutSeconds: 3 }],
    ] as const) {
      test(`is closed, be it the ${limit} one`, async () => {
        await using world = await startWorld({ redisUrl: redis.url, bff: { routes, ...bff } })
        const browser = world.browser()
        await browser.login()
        await ends(await opens(world, browser, 0), 3_000 + soonMs)
      })
    }
  })

  test('is closed at the absolute limit though Redis does not answer', async () => {
    await using world = await startWorld({ redisUrl: redis.url, bff: { routes, absoluteTimeoutSeconds: 3 } })
    const browser = world.browser()
    await browser.login()
    const open = await opens(world, browser, 0)
    await redis.pause()
    await ends(open, 10_000).finally(redis.resume)
  })

  test('stays open while its session lives, however often it is looked at and the channel comes back', async () => {
    await using world = await startWorld({ redisUrl: redis.url, bff: { routes, timing: { recheck: 20 } } })
    const browser = world.browser()
    await browser.login()
    const { events, closed } = await opens(world, browser, 0)
    const client = createClient({ url: redis.url })
    await client.connect()
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    const looks = async () => {
      const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]
      assert.ok(calls !== undefined)
      return Number(calls)
    }
    const first = await looks()
    while ((await looks()) < first + 10) await new Promise((resolve) => setImmediate(resolve))
    client.destroy()
    const early = Promise.race([events, closed]).then(() => 'closed')
    assert.equal(await Promise.race([early, browser.get('/nothing').then(() => 'open')]), 'open')
    await browser.api('/bff/logout', { method: 'POST' })
    await ends({ events, closed })
  })
})
