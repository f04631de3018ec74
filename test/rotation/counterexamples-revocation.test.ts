import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { hang } from './exchange.ts'
import type { RotationPolicy } from './rotating-provider.ts'
import { until } from './token-node.ts'
import { type Pair, startPair, storeKinds } from './token-pair.ts'

// Orders of events in which an earlier plan, or the protocol less one of its rules, revoked what still lived or left
// alive what should have been revoked; numbered as in the search that found them.

for (const kind of storeKinds) {
  const claim = (sentence: string, prove: (pair: Pair) => Promise<void>, policy: RotationPolicy = {}) =>
    test(sentence, async () => {
      await using pair = await startPair(kind, policy)
      await prove(pair)
    })

  describe(`what is revoked, sessions in ${kind}`, { concurrency: 8 }, () => {
    claim(
      '13: a logout revokes what stood there when it ended the session, not what it read before',
      async ({ provider, a, b, ref }) => {
        const ending = b.script.stop('end', 'before')
        const ended = b.tokens.end(ref, 'logout')
        await ending.reached
        assert.equal(await a.ask(ref), 'alice.2')
        ending.go()
        await ended
        await until(() => provider.revoked.length > 0)
        assert.deepEqual(provider.revoked, ['alice.2'])
        assert.equal(provider.isLive('alice.2'), false)
      },
      { revokes: 'token' },
    )

    claim('14: neither a replaced session nor its late result is revoked: the grant is the new one’s', async (pair) => {
      const { provider, a, b, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      const again = randomBytes(12).toString('base64url')
      await b.tokens.begin(again, provider.login('alice-again', 'alice'))
      await b.tokens.end(ref, 'replaced')
      exchange.answer(exchange.process())
      assert.equal(await first, 'no_session')
      await Promise.all([a.tokens.drain(), b.tokens.drain()])
      assert.deepEqual(provider.revoked, [])
      assert.equal(await b.ask(again), 'alice-again.2')
    })

    claim('15: the result of a session that ran out while asking is dropped, not revoked', async (pair) => {
      const { provider, a, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      await a.store.tokens.remaining(ref, 1)
      await until(async () => (await a.store.tokens.read(ref)) === null)
      exchange.answer(exchange.process())
      assert.equal(await first, 'no_session')
      await a.tokens.drain()
      assert.deepEqual(provider.revoked, [])
    })

    claim('16: a late result of an earlier session of the same id does not get into the new one', async ({ a }) => {
      const ref = randomBytes(12).toString('base64url')
      const begin = (epoch: string, idleMs: number) =>
        a.store.tokens.begin(ref, { epoch, set: `of ${epoch}`, idleMs, absoluteMs: 60_000 })
      await begin('bob', 2_000)
      const old = { id: 'one', epoch: 'bob', version: 1 }
      const acquired = await a.store.tokens.acquire(ref, { ...old, doubt: null, open: false, leaseMs: 10_000 })
      const mark = { ...old, previous: null, unanswered: 1, leaseMs: 10_000, renewal: false }
      assert.deepEqual([acquired.is, await a.store.tokens.mark(ref, mark)], ['acquired', { is: 'marked' }])
      await until(async () => (await begin('alice', 60_000)) === 'begun')
      assert.equal((await a.store.tokens.replace(ref, { ...old, unanswered: 1, set: 'late' })).is, 'stale')
      assert.deepEqual(await a.store.tokens.end(ref, 'refused', old), { is: 'notMine' })
      await a.store.tokens.release(ref, { ...old, left: 1, declined: 0, backoffMs: 60_000 })
      const record = await a.store.tokens.read(ref)
      assert.deepEqual([record?.set, record?.version, record?.attempt], ['of alice', 1, null])
    })

    claim('17: when the provider hears of a revocation, the session is over everywhere', async (pair) => {
      const { provider, a, b, ref } = pair
      const seen: string[] = []
      provider.onRevocation = async () => void seen.push(await a.ask(ref), await b.ask(ref))
      await b.tokens.end(ref, 'logout')
      await until(() => provider.revoked.length > 0)
      assert.deepEqual(seen, ['no_session', 'no_session'])
      assert.deepEqual([provider.presented, provider.revoked], [[], ['alice.1']])
    })

    claim('a logout whose answer is lost is repeated, and revokes all the same', async ({ provider, a, b, ref }) => {
      a.script.lose('end', 'applied')
      assert.notEqual(await a.tokens.end(ref, 'logout'), null)
      assert.equal(await b.ask(ref), 'no_session')
      await until(() => provider.revoked.length > 0)
      assert.deepEqual(provider.revoked, ['alice.1'])
    })

    claim('a late result is revoked no more once the user has logged in since the logout', async (pair) => {
      const { provider, a, b, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      const answer = exchange.process()
      const refused = new Set<string>()
      provider.onRevocation = (token) => {
        refused.add(token)
        throw new Error('not now')
      }
      await b.tokens.end(ref, 'logout')
      await until(() => refused.has('alice.1'))
      const again = randomBytes(12).toString('base64url')
      await b.tokens.begin(again, provider.login('alice', 'alice'))
      exchange.answer(answer)
      assert.equal(await first, 'no_session')
      await until(() => refused.has('alice.2'))
      provider.onRevocation = () => undefined
      await Promise.all([a.tokens.drain(), b.tokens.drain()])
      assert.deepEqual(provider.revoked, [])
      assert.equal(await b.ask(again), 'alice.4')
    })

    claim('a logout that cannot be carried out says so, and the session lives', async ({ a, b, ref }) => {
      a.script.cut()
      await assert.rejects(a.tokens.end(ref, 'logout'), { code: 'store_unreachable' })
      assert.equal(await b.ask(ref), 'alice.2')
    })
  })
}
