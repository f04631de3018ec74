import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from 'redis'
import { readKeyLifetimes } from './key-lifetimes.ts'
import { startRedis } from './redis.ts'

test('a key without a lifetime is found among thousands that have one', async () => {
  await using redis = await startRedis()
  const client = await createClient({ url: redis.url }).connect()
  const mortal = Array.from({ length: 3_000 }, (_, index) =>
    client.set(`mortal-${index}`, '', { expiration: { type: 'EX', value: 60 } }),
  )
  await Promise.all([...mortal, client.hSet('immortal', 'a', 'b')])
  client.destroy()
  assert.deepEqual(await readKeyLifetimes(redis.url), { keys: 3_001, immortal: ['immortal'] })
})
