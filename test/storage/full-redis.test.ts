import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, type RedisClientType } from 'redis'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld } from '../support/world.ts'
import { connected } from './stores.ts'

const minute = 60_000

test("a full Redis lets nobody ask the provider, and still takes a rotation already made, a release and a logout, also the provider's", async () => {
  await using redis = await startRedis()
  const store = createRedisStore(
    { url: redis.url, prefix: 'test', waitReplicas: 0 },
    timingSchema.parse({}),
    () => undefined,
  )
  await connected(store)
  const { tokens } = store
  const fence = { epoch: 'e', version: 1, id: 'one' }
  const acquire = (ref: string) => tokens.acquire(ref, { ...fence, doubt: null, open: false, leaseMs: 10_000 })
  const mark = (ref: string) =>
    tokens.mark(ref, { ...fence, previous: null, unanswered: 1, leaseMs: 10_000, renewal: false })
  for (const ref of ['rotated', 'released', 'left', 'fresh']) {
    await tokens.begin(ref, { epoch: 'e', set: 'set-1', idleMs: minute, absoluteMs: minute })
    if (ref !== 'fresh') await acquire(ref)
    if (ref === 'rotated' || ref === 'released') await mark(ref)
  }
  await fill(await connect(redis.url))

  const refused = { name: 'BffError', problem: 'store_unreachable' }
  await assert.rejects(acquire('fresh'), refused)
  await assert.rejects(mark('left'), refused)
  await assert.rejects(tokens.begin('new', { epoch: 'e', set: 's', idleMs: minute, absoluteMs: minute }), refused)
  assert.deepEqual(await tokens.replace('rotated', { ...fence, unanswered: 1, set: 'set-2' }), { is: 'stored' })
  await tokens.release('released', { ...fence, left: 0, declined: 1, backoffMs: 0 })
  assert.equal((await tokens.read('released'))?.attempt, null)
  assert.equal((await tokens.end('rotated', 'logout', null)).is, 'ended')
  await store.sids.loggedOut('sid', 1_800_000_000, minute)
  assert.equal(await store.sids.loggedOutAt('sid'), 1_800_000_000)
  assert.equal(await store.logoutTokens.put('token', minute), true)
  assert.equal((await tokens.read('fresh'))?.set, 'set-1')
  await store.close()
})

test('a full Redis ends no session that is in use, and begins none', async () => {
  await using redis = await startRedis()
  await using world = await startWorld({ redisUrl: redis.url, bff: { idleTimeoutSeconds: 3600 } })
  const [browser, late] = [world.browser(), world.browser()]
  await browser.login()
  const login = await late.startLogin()
  const admin = await connect(redis.url)
  const [key = '', ...others] = await admin.keys('*:tokens')
  assert.deepEqual(others, [])
  await admin.expire(key, 60) // as if it had hardly been used for an hour
  await admin.hSet(key, 'extendedAt', 0)
  await fill(admin)

  const response = await browser.api('/bff/user')
  assert.equal(response.status, 200)
  assert.ok((await response.json()).session.idleExpiresIn > 3_000)
  assert.equal((await browser.api('/api/x')).status, 200)
  assert.equal((await late.finishLogin(login)).status, 503)
  assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
  assert.equal((await browser.api('/api/x')).status, 401)
})

async function connect(url: string): Promise<RedisClientType> {
  const admin: RedisClientType = createClient({ url })
  await admin.connect()
  return admin
}

/** From here on this Redis has no memory left. */
async function fill(admin: RedisClientType): Promise<void> {
  await admin.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' })
  admin.destroy()
}
