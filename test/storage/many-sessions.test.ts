import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from 'redis'
import { createKeys } from '../../src/storage/keys.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { heapUsed } from '../support/heap.ts'
import { startRedis } from '../support/redis.ts'
import { connected } from './stores.ts'

const sessions = 200_000
const batch = 10_000

test('whoever goes through all sessions keeps none of them in memory', async () => {
  await using redis = await startRedis()
  const keys = createKeys('p')
  const admin = await createClient({ url: redis.url }).connect()
  const write = `for at = ARGV[1], ARGV[1] + ${batch} - 1 do redis.call('HSET', string.format('${keys.tokens('%043d')}', at), 'set', '') end`
  for (let at = 0; at < sessions; at += batch) await admin.eval(write, { arguments: [String(at)] })
  admin.destroy()
  const store = createRedisStore({ url: redis.url, prefix: 'p', waitReplicas: 0 }, timingSchema.parse({}), () => {})
  await connected(store)

  const before = heapUsed()
  let met = 0
  let grown = 0
  for await (const ref of store.tokens.all()) {
    assert.equal(ref.length, 43)
    met += 1
    if (met === sessions) grown = heapUsed() - before
  }
  await store.close()
  assert.ok(met >= sessions, `${met} sessions`)
  assert.ok(grown < 5_000_000, `${grown} bytes`)
})
