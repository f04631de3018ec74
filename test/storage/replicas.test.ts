import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { createKeys } from '../../src/storage/keys.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { startRedis } from '../support/redis.ts'
import { startRelay } from '../support/relay.ts'
import { connected } from './stores.ts'

const minute = 60_000

/** A replica is waited for as long as half of `store`. */
const timing = timingSchema.parse({ store: 4_000, lease: 20_000, grace: 5_000, waiter: 25_000 })

/** A Redis with a replica that can be cut off, and a store that waits for it. */
async function begin() {
  const own = new AsyncDisposableStack()
  // Without waiting for further replicas to come at the same time: there are none.
  const primary = own.use(await startRedis(['--repl-diskless-sync-delay', '0']))
  const relay = own.use(await startRelay({ target: { host: '127.0.0.1', port: primary.port } }))
  const replica = own.use(await startRedis(['--replicaof', '127.0.0.1', String(relay.port)]))
  const connect = async (url: string) => own.adopt(await createClient({ url }).connect(), (one) => one.destroy())
  const client = await connect(replica.url)
  // The primary's own word: it counts a replica only once that has confirmed what it got.
  const watch = await connect(primary.url)
  while (!(await watch.info('replication')).includes('state=online')) await pause(20)

  const late: unknown[] = []
  const say = (event: string, facts: unknown) => void (event === 'replicas_late' && late.push(facts))
  const store = createRedisStore({ url: primary.url, prefix: 'test', waitReplicas: 1 }, timing, say)
  own.defer(() => store.close())
  await connected(store)
  const fence = { epoch: 'e', version: 1, id: 'one' }
  await store.tokens.begin('ref', { epoch: 'e', set: 'set-1', idleMs: minute, absoluteMs: minute })
  await store.tokens.acquire('ref', { ...fence, doubt: null, open: false, leaseMs: 10_000 })
  const mark = (renewal: boolean) =>
    store.tokens.mark('ref', { ...fence, previous: null, unanswered: 1, leaseMs: 10_000, renewal })
  const replace = () => store.tokens.replace('ref', { ...fence, unanswered: 1, set: 'set-2' })
  const onReplica = (field: string) => client.hGet(createKeys('test').tokens('ref'), field)
  return { store, relay, client, late, mark, replace, onReplica, [Symbol.asyncDispose]: () => own.disposeAsync() }
}

describe('with redisWaitReplicas', { concurrency: 2 }, () => {
  test('a mark, a rotation and an end are on the replica when they count as done', async () => {
    await using running = await begin()
    await running.mark(false)
    assert.equal(await running.onReplica('attempt'), 'one')
    await running.replace()
    assert.equal(await running.onReplica('set'), 'set-2')
    await running.store.tokens.end('ref', 'logout', null)
    assert.equal(await running.client.exists(createKeys('test').tokens('ref')), 0)
    assert.deepEqual(running.late, [])
  })

  test('a replica that is away holds nothing up for long, and is counted', async () => {
    await using running = await begin()
    running.relay.cut()
    const began = performance.now()
    assert.equal((await running.mark(false)).is, 'marked')
    assert.equal((await running.replace()).is, 'stored')
    assert.ok(performance.now() - began < 10_000)
    assert.equal(running.late.length, 2)
    assert.equal((await running.store.tokens.read('ref'))?.set, 'set-2')
  })

  test('while a replica is away, many who wait at once wait no longer than one', async () => {
    await using running = await begin()
    const { store, relay, late } = running
    const refs = Array.from({ length: 20 }, (_, index) => `session-${index}`)
    for (const ref of refs) await store.tokens.begin(ref, { epoch: 'e', set: 's', idleMs: minute, absoluteMs: minute })
    relay.cut()
    // One after the other they would take 40 s, and a command has four.
    const ended = await Promise.all(refs.map((ref) => store.tokens.end(ref, 'logout', null)))
    assert.deepEqual(new Set(ended.map(({ is }) => is)), new Set(['ended']))
    assert.equal(late.length, refs.length)
  })

  test('a renewal waits for no replica, and what only reads is not held up by what waits', async () => {
    await using running = await begin()
    running.relay.cut()
    let waiting = true
    const marked = running.mark(false).then(() => {
      waiting = false
    })
    await running.store.tokens.read('ref')
    await running.mark(true)
    assert.ok(waiting)
    await marked
    assert.equal(running.late.length, 1)
  })
})
