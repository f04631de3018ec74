import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { type OwnRedis, startRedis } from '../support/redis.ts'
import { hang } from './exchange.ts'
import { type RotatingProvider, startRotatingProvider } from './rotating-provider.ts'
import { askUntilSettled, beginSession, createDeployment, startTokenNode, type TokenNode, until } from './token-node.ts'

// A Redis of the test's own, which is frozen, killed, filled up or turned into a replica while two nodes need it. What
// requests see of an outage that no refresh is part of is in test/journeys/outage.test.ts.

/** A Redis that is frozen keeps nobody waiting for longer than this. */
const storeMs = 400

interface Running extends AsyncDisposable {
  redis: OwnRedis
  provider: RotatingProvider
  a: TokenNode
  b: TokenNode
  ref: string
  /** An operator's hand on the server. */
  command(...words: string[]): Promise<unknown>
}

async function begin(settings: readonly string[] = [], timing = {}): Promise<Running> {
  await using started = new AsyncDisposableStack()
  const redis = started.use(await startRedis(settings))
  const provider = started.use(await startRotatingProvider())
  const deployment = createDeployment(provider, { redisUrl: redis.url, timing })
  const a = started.use(await startTokenNode(deployment, { storeMs }))
  const b = started.use(await startTokenNode(deployment, { storeMs }))
  const ref = await beginSession(a, provider)
  const all = started.move()
  return { redis, provider, a, b, ref, command: commands(redis.url), [Symbol.asyncDispose]: () => all.disposeAsync() }
}

const commands =
  (url: string) =>
  async (...words: string[]): Promise<unknown> => {
    const client = createClient({ url })
    await client.connect()
    try {
      return await client.sendCommand(words)
    } finally {
      client.destroy()
    }
  }

const settled = ({ a, b, ref }: Running) => Promise.all([askUntilSettled(a, ref), askUntilSettled(b, ref)])

describe('a store that is away', { concurrency: 4 }, () => {
  test('frozen before anybody has the lease: no call is made, 503, and all is well afterwards', async () => {
    await using running = await begin()
    const { redis, provider, a, b, ref } = running
    await redis.pause()
    assert.deepEqual(await Promise.all([a.ask(ref), b.ask(ref)]), ['store_unreachable', 'store_unreachable'])
    assert.deepEqual(provider.presented, [])
    await redis.resume()
    assert.deepEqual(await settled(running), ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  test('frozen until a flight has given up on the lease: whoever comes then does not wait for it to lapse', async () => {
    await using running = await begin([], { lease: 60_000, waiter: 80_000 })
    const { redis, provider, a, b, ref } = running
    // A script that this Redis has not seen is sent twice, the second time behind what was given meanwhile.
    assert.equal(await a.ask(await beginSession(a, provider, 'bob')), 'bob.2')
    const acquiring = a.script.stop('acquire', 'before')
    const first = a.ask(ref)
    await acquiring.reached
    await redis.pause()
    acquiring.go()
    assert.equal(await first, 'store_unreachable')
    const resumed = performance.now()
    await redis.resume() // and the lease is taken, by a command that nobody waits for any more
    assert.equal(await askUntilSettled(b, ref), 'alice.2')
    assert.ok(performance.now() - resumed < 30_000)
  })

  test('frozen between lease and mark: no call is made', async () => {
    await using running = await begin()
    const { redis, provider, a, ref } = running
    const marking = a.script.stop('mark', 'before')
    const first = a.ask(ref)
    await marking.reached
    await redis.pause()
    marking.go()
    assert.equal(await first, 'store_unreachable')
    assert.deepEqual(provider.presented, [])
    await redis.resume()
    assert.deepEqual(await settled(running), ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  for (const [name, leases] of [
    ['for a moment', 0.5],
    ['for longer than the lease', 1.5],
  ] as const) {
    test(`frozen ${name} with the answer in hand: its holder writes before anybody presents again`, async () => {
      await using running = await begin()
      const { redis, provider, a, b, ref } = running
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      const second = b.ask(ref)
      await redis.pause()
      const frozen = performance.now()
      exchange.answer(exchange.process())
      await until(() => performance.now() - frozen > leases * 1_500)
      await redis.resume()
      assert.deepEqual(await Promise.all([askUntilSettled(a, ref, first), askUntilSettled(b, ref, second)]), [
        'alice.2',
        'alice.2',
      ])
      assert.deepEqual(provider.presented, ['alice.1'])
    })
  }

  test('killed and started with its data: whoever held an answer stores it', async () => {
    await using running = await begin(['--appendonly', 'yes', '--appendfsync', 'always'])
    const { redis, provider, a, ref } = running
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    await redis.kill()
    exchange.answer(exchange.process())
    await until(() => a.script.calls.includes('replace'))
    assert.equal(await a.ask(ref), 'store_unreachable')
    await redis.restart()
    assert.equal(await first, 'alice.2')
    assert.deepEqual(await settled(running), ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  test('killed and started empty: nobody is known, the result is dropped and nothing revoked', async () => {
    await using running = await begin()
    const { redis, provider, a, ref } = running
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    await redis.kill()
    exchange.answer(exchange.process())
    await until(() => a.script.calls.includes('replace'))
    await redis.restart()
    assert.equal(await first, 'no_session')
    assert.deepEqual(await settled(running), ['no_session', 'no_session'])
    assert.deepEqual([provider.presented, provider.revoked], [['alice.1'], []])
  })

  test('a replica that takes no writes: 503, no call, and well as soon as it is a primary again', async () => {
    await using running = await begin()
    const { provider, a, ref, command } = running
    await command('REPLICAOF', '127.0.0.1', '1')
    assert.equal(await a.ask(ref), 'store_unreachable')
    assert.deepEqual(provider.presented, [])
    await command('REPLICAOF', 'NO', 'ONE')
    assert.deepEqual(await settled(running), ['alice.2', 'alice.2'])
  })

  test('full: no call is made, but a logout works', async () => {
    await using running = await begin()
    const { provider, a, b, ref, command } = running
    await command('CONFIG', 'SET', 'maxmemory', '1')
    assert.equal(await a.ask(ref), 'store_unreachable')
    assert.deepEqual(provider.presented, [])
    assert.notEqual(await b.tokens.end(ref, 'logout'), null)
    assert.equal(await a.ask(ref), 'no_session')
    await until(() => provider.revoked.length > 0)
    assert.deepEqual(provider.revoked, ['alice.1'])
  })

  test('full when the answer comes: the rotation is stored all the same', async () => {
    await using running = await begin()
    const { provider, a, b, ref, command } = running
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    await command('CONFIG', 'SET', 'maxmemory', '1')
    exchange.answer(exchange.process())
    assert.deepEqual([await first, await b.ask(ref)], ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  test('the session is evicted while it is refreshed: it is over, and nothing is revoked', async () => {
    await using running = await begin()
    const { provider, a, b, ref, command } = running
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    await command('FLUSHALL')
    exchange.answer(exchange.process())
    assert.deepEqual([await first, await b.ask(ref)], ['no_session', 'no_session'])
    assert.deepEqual(provider.revoked, [])
  })

  test('the lease is evicted while its holder asks: it takes it back, one call is made', async () => {
    // The holder has several renewals to be heard by: on two connections the one given first may come second.
    await using running = await begin([], { ask: 10_000, grace: 2_500 })
    const { provider, a, b, ref, command } = running
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    for (const key of await keys(command, `*{${ref}}:refresh`)) await command('DEL', key)
    const second = b.ask(ref)
    const beat = (await b.store.tokens.read(ref))?.beat ?? 0
    await until(async () => ((await b.store.tokens.read(ref))?.beat ?? 0) > beat)
    exchange.answer(exchange.process())
    assert.deepEqual(await Promise.all([first, second]), ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })
})

async function keys(command: Running['command'], pattern: string): Promise<string[]> {
  const found = await command('KEYS', pattern)
  return Array.isArray(found) ? found.map(String) : []
}
