import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { startRedis } from '../support/redis.ts'
import { startWorld } from '../support/world.ts'

test('calls keep a session from running out, by few writes, and without them it does', async () => {
  await using redis = await startRedis()
  await using world = await startWorld({ redisUrl: redis.url, bff: { idleTimeoutSeconds: 3 } })
  const admin = await createClient({ url: redis.url }).connect()
  const browser = world.browser()
  await browser.login()
  await admin.sendCommand(['CONFIG', 'RESETSTAT'])
  const until = performance.now() + 4_000
  let calls = 0
  while (performance.now() < until) {
    const statuses = await Promise.all([1, 2, 3].map(async () => (await browser.api('/api/x')).status))
    assert.deepEqual(statuses, [200, 200, 200])
    calls += statuses.length
    await pause(50)
  }
  const stats = await admin.info('commandstats')
  const times = (command: string) => Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  // A write is due each twentieth of three seconds.
  assert.ok(times('pexpire') >= 5 && times('pexpire') <= 30, `${times('pexpire')} writes in ${calls} calls`)
  assert.equal(times('hmget') >= calls, true, 'every call reads the record')
  admin.destroy()
  await pause(3_100)
  assert.equal((await browser.api('/api/x')).status, 401)
  assert.equal((await browser.api('/bff/user')).status, 401)
  assert.ok(world.log.some(({ msg, reason }) => msg === 'session_ended' && reason === 'idle'))
})
