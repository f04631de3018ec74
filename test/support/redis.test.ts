import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from 'redis'
import { startRedis } from './redis.ts'

test('a dump of Redis holds keys and values of every type and the RDB file', async () => {
  await using redis = await startRedis()
  const client = createClient({ url: redis.url })
  await client.connect()
  await client.set('a-string', 'value-of-string')
  await client.hSet('a-hash', 'field-of-hash', 'value-of-hash')
  await client.rPush('a-list', 'value-of-list')
  await client.sAdd('a-set', 'value-of-set')
  await client.zAdd('a-sorted-set', { score: 1, value: 'value-of-sorted-set' })
  await client.xAdd('a-stream', '*', { field: 'value-of-stream' })
  await client.select(3)
  await client.set('elsewhere', 'value-of-elsewhere')
  client.destroy()
  const dump = (await redis.dump()).toString('latin1')
  for (const type of ['string', 'hash', 'list', 'set', 'sorted-set', 'stream']) {
    assert.ok(dump.split(`a-${type}`).length >= 3, `${type} by key, and again in the RDB file`)
    assert.ok(dump.split(`value-of-${type}`).length >= 3, `${type} by value, and again in the RDB file`)
  }
  assert.ok(dump.includes('value-of-elsewhere'))
  assert.ok(dump.includes('REDIS00'))
})

test('a frozen Redis answers nothing until it is resumed, a restarted one is empty', async () => {
  await using redis = await startRedis()
  const client = createClient({ url: redis.url })
  client.on('error', () => {
    // The kill below resets this connection.
  })
  await client.connect()
  await redis.pause()
  const written = client.set('key', 'late')
  const early = await Promise.race([written, new Promise((resolve) => setTimeout(resolve, 50, 'silence'))])
  assert.equal(early, 'silence')
  await redis.resume()
  assert.equal(await written, 'OK')
  assert.equal(await client.get('key'), 'late')
  await redis.restart()
  assert.equal(await client.get('key'), null)
  client.destroy()
})
