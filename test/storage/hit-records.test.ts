import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { startRedis } from '../support/redis.ts'
import { connected, stores } from './stores.ts'

const minute = 60_000

for (const [name, open] of Object.entries(stores)) {
  describe(`counts of a rate limit in ${name}`, () => {
    test('hits are counted by limit and key, in a window that the first one opens', async (t) => {
      const store = await open(t)
      const logins = store.hits('login')
      const others = store.hits('other')
      for (const hits of [logins, others]) hits.init({ windowMs: minute })
      assert.equal((await logins.get('a'))?.totalHits, undefined)
      assert.equal((await logins.increment('a')).totalHits, 1)
      const { totalHits, resetTime } = await logins.increment('a')
      assert.equal(totalHits, 2)
      const leftMs = (resetTime?.getTime() ?? 0) - Date.now()
      assert.ok(leftMs > minute - 5_000 && leftMs <= minute, `${leftMs} ms`)
      assert.equal((await logins.get('a'))?.totalHits, 2)
      assert.equal((await logins.increment('b')).totalHits, 1)
      assert.equal((await others.increment('a')).totalHits, 1)
    })

    test('a window that is over counts from one again', async (t) => {
      const hits = (await open(t)).hits('login')
      hits.init({ windowMs: 2 })
      await hits.increment('a')
      while ((await hits.increment('a')).totalHits !== 1) await new Promise((resolve) => setImmediate(resolve))
    })

    test('a hit can be taken back, and all of them', async (t) => {
      const hits = (await open(t)).hits('login')
      hits.init({ windowMs: minute })
      for (const key of ['a', 'a', 'a']) await hits.increment(key)
      await hits.decrement('a')
      assert.equal((await hits.get('a'))?.totalHits, 2)
      await hits.resetKey('a')
      assert.equal((await hits.increment('a')).totalHits, 1)
    })
  })
}

test('counting begins when Redis comes, and goes on when Redis has lost everything, its scripts too', async (t) => {
  await using redis = await startRedis()
  await redis.kill()
  const settings = { url: redis.url, prefix: 'p', waitReplicas: 0 }
  const store = createRedisStore(settings, timingSchema.parse({}), () => undefined)
  t.after(() => store.close())
  const hits = store.hits('login')
  hits.init({ windowMs: minute })
  await assert.rejects(hits.increment('a'))
  for (const _ of ['it comes', 'it comes again']) {
    await redis.restart()
    await connected(store)
    assert.equal((await hits.increment('a')).totalHits, 1)
    assert.equal((await hits.increment('a')).totalHits, 2)
  }
  const client = await createClient({ url: redis.url }).connect()
  await client.scriptFlush()
  client.destroy()
  assert.equal((await hits.increment('a')).totalHits, 3)
})

test('counts are read as soon as Redis takes the script for it, though nobody counts meanwhile', async (t) => {
  await using redis = await startRedis()
  const admin = await createClient({ url: redis.url }).connect()
  admin.on('error', () => undefined) // Redis is gone before it
  t.after(() => admin.destroy())
  await admin.sendCommand(['ACL', 'SETUSER', 'default', '-script|load'])
  const settings = { url: redis.url, prefix: 'p', waitReplicas: 0 }
  const store = createRedisStore(settings, timingSchema.parse(patientTiming), () => undefined)
  t.after(() => store.close())
  await connected(store)
  const hits = store.hits('login')
  hits.init({ windowMs: minute })
  await assert.rejects(hits.get('a'), { message: /^NOPERM/ })
  await admin.sendCommand(['ACL', 'SETUSER', 'default', '+script|load'])
  await hits.get('a').catch(() => undefined) // the script may have been refused just before
  assert.equal((await hits.get('a'))?.totalHits, undefined)
  await hits.increment('a')
  assert.equal((await hits.get('a'))?.totalHits, 1)
})
