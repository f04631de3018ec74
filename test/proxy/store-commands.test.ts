import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { startRedisGate } from '../rotation/redis-gate.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld } from '../support/world.ts'

/** What connections do by themselves, and what we ask here. */
const upkeep = /^(ping|time|hello|info|subscribe|select|config\||client\|)/

describe('what a call asks of Redis', { concurrency: false }, () => {
  test('is its record, once, and all calls ask by one connection', async () => {
    await using redis = await startRedis()
    await using world = await startWorld({ redisUrl: redis.url })
    const admin = await createClient({ url: redis.url }).connect()
    const browser = world.browser()
    await browser.login()
    // No login waits until it is known where it led.
    while ((await admin.keys(`${world.options.redisPrefix}:used:*`)).length === 0) await pause(5)
    await admin.sendCommand(['CONFIG', 'RESETSTAT'])
    const calls = Array.from({ length: 200 }, async () => (await browser.api('/api/x')).status)
    assert.deepEqual(new Set(await Promise.all(calls)), new Set([200]))
    const stats = await admin.info('commandstats')
    const counts = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', times]) => [name, times])
    assert.deepEqual(
      counts.filter(([name = '']) => !upkeep.test(name)),
      [['hmget', '200']],
    )
    const clients = async (type: string) =>
      String(await admin.sendCommand(['CLIENT', 'LIST', 'TYPE', type])).match(/^id=/gm)?.length ?? 0
    while ((await clients('pubsub')) === 0) await pause(5) // until it listens it is like any other
    assert.equal(await clients('normal'), 2, 'ours and the one that asks this')
    admin.destroy()
  })

  test('beyond that is begun with it, and neither the upstream nor the answer waits', async () => {
    await using redis = await startRedis()
    await using gate = await startRedisGate(redis.url)
    await using world = await startWorld({ redisUrl: gate.url, bff: { idleTimeoutSeconds: 2 } })
    const browser = world.browser()
    await browser.login()
    const held = Promise.withResolvers<void>()
    world.upstream.onRequest((_request, response) => {
      void held.promise.then(() => response.end('answered'))
      return true
    })
    // A twentieth of the limit, after which use is written down.
    await pause(150)
    const sliding = gate.stop('remaining', 'before')
    const call = browser.api('/api/x')
    await sliding.reached
    held.resolve()
    assert.equal(await (await call).text(), 'answered')
    sliding.go()
    world.upstream.onRequest(() => false)
    assert.equal((await browser.api('/api/x')).status, 200)
  })
})
