import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { overAtOnce } from '../support/token-endpoint.ts'
import { hang, leaveOpen } from './exchange.ts'
import type { RotationPolicy } from './rotating-provider.ts'
import { askUntilSettled, said, until } from './token-node.ts'
import { type Pair, startPair, storeKinds } from './token-pair.ts'

// Orders of events in which an earlier plan, or the protocol less one of its rules, lost a result or used one that it
// should not have; numbered as in the search that found them. That a store never undoes a logout (24), and in which
// order several results win (22, 23), stands in test/storage/token-records.test.ts as well; what a client that leaves
// does to a flight (25) in clients-leave.test.ts.

const leeway: RotationPolicy = { leewayMs: 60_000 }
const onlyNewest: RotationPolicy = { leewayMs: 60_000, onlyNewest: true }

/** The holder has asked and is cut off; the other node takes over, asks too, and its answer is in the test's hands. */
async function overtake({ provider, a, b, ref }: Pair) {
  const asked = provider.next(leaveOpen)
  const askedAgain = provider.next(leaveOpen)
  const first = a.ask(ref)
  const one = await asked
  a.script.cut()
  const second = b.ask(ref)
  const two = await askedAgain
  return { first, one, second, two }
}

for (const kind of storeKinds) {
  const claim = (sentence: string, prove: (pair: Pair) => Promise<void>, policy: RotationPolicy = {}) =>
    test(sentence, async () => {
      await using pair = await startPair(kind, policy, { ask: 10_000 })
      await prove(pair)
    })

  describe(`a result in hand, sessions in ${kind}`, { concurrency: 8 }, () => {
    for (const fate of ['applied', 'never'] as const) {
      claim(`8: a write whose answer is lost (${fate}) is repeated, and nothing is revoked`, async (pair) => {
        const { provider, a, b, ref } = pair
        a.script.lose('replace', fate)
        a.script.lose('replace', fate)
        assert.equal(await a.ask(ref), 'alice.2')
        assert.equal(await b.ask(ref), 'alice.2')
        assert.deepEqual([provider.presented, provider.revoked], [['alice.1'], []])
        assert.equal((await a.store.tokens.read(ref))?.version, 2)
      })
    }

    claim('8: a write that comes late, after its own repetition, changes nothing', async ({ provider, a, b, ref }) => {
      provider.accessTokenSeconds = overAtOnce
      const late = a.script.lose('replace', 'late')
      assert.equal(await a.ask(ref), 'alice.2')
      assert.equal(await b.ask(ref), 'alice.3')
      await late()
      assert.equal(await b.ask(ref), 'alice.4')
      assert.deepEqual(provider.presented, ['alice.1', 'alice.2', 'alice.3'])
    })

    claim(
      '9: an overtaken holder drops its result, uses what is stored, and revokes nothing',
      async (pair) => {
        const { provider, a, b, ref } = pair
        const { first, one, second, two } = await overtake(pair)
        const answer = one.process()
        two.answer(two.process())
        assert.equal(await second, 'alice.3')
        a.script.mend()
        one.answer(answer)
        assert.equal(await first, 'alice.3')
        assert.deepEqual([await b.ask(ref), provider.revoked], ['alice.3', []])
      },
      leeway,
    )

    claim(
      '22: of a provider that honours its newest token alone, the newest is stored, though the older came later',
      async (pair) => {
        const { provider, a, b, ref } = pair
        provider.accessTokenSeconds = overAtOnce
        const { first, one, second, two } = await overtake(pair)
        const older = one.process()
        two.answer(two.process())
        assert.equal(await second, 'alice.3')
        a.script.mend()
        one.answer(older)
        assert.equal(await first, 'alice.4', 'it went on with the token of the other')
        assert.equal(await b.ask(ref), 'alice.5')
        assert.deepEqual(provider.presented, ['alice.1', 'alice.1', 'alice.3', 'alice.4'])
      },
      onlyNewest,
    )

    claim(
      '22: the same when the older one is written first',
      async (pair) => {
        const { provider, a, b, ref } = pair
        const { first, one, second, two } = await overtake(pair)
        const older = one.process()
        const newest = two.process()
        a.script.mend()
        one.answer(older)
        await first
        two.answer(newest)
        await second
        assert.equal(provider.newest(), 'alice.3')
        assert.equal(await b.ask(ref), 'alice.3')
      },
      onlyNewest,
    )

    claim('10, 11: a refusal of an overtaken holder does not end what its successor holds', async (pair) => {
      const { provider, a, b, ref } = pair
      const { first, one, second, two } = await overtake(pair)
      a.script.mend()
      one.answer({ status: 400, body: { error: 'invalid_grant' } })
      await until(() => a.script.calls.includes('end'))
      two.answer(two.process())
      assert.deepEqual(await Promise.all([first, second]), ['alice.2', 'alice.2'])
      assert.equal(await b.ask(ref), 'alice.2')
      assert.deepEqual([provider.revoked, a.log.filter(({ msg }) => msg === 'session_ended')], [[], []])
    })

    claim('12: cut off with the answer in hand, a node serves nobody after a logout elsewhere', async (pair) => {
      const { provider, a, b, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      a.script.cut()
      exchange.answer(exchange.process())
      await until(() => a.script.calls.includes('replace'))
      await b.tokens.end(ref, 'logout')
      assert.equal(await a.ask(ref), 'store_unreachable')
      a.script.mend()
      assert.equal(await first, 'no_session')
      assert.equal(await a.ask(ref), 'no_session')
      await until(() => provider.revoked.length === 2)
      assert.deepEqual(provider.revoked.toSorted(), ['alice.1', 'alice.2'])
    })

    claim('12: with the answer in hand and the record as it was, the own node serves already', async (pair) => {
      const { provider, a, b, ref } = pair
      const asked = provider.next(leaveOpen)
      const writing = a.script.stop('replace', 'before')
      const first = a.ask(ref)
      const exchange = await asked
      exchange.answer(exchange.process())
      await writing.reached
      assert.equal(await a.ask(ref), 'alice.2')
      const elsewhere = b.ask(ref)
      writing.go()
      assert.deepEqual(await Promise.all([first, elsewhere]), ['alice.2', 'alice.2'])
      assert.deepEqual(provider.presented, ['alice.1'])
    })

    claim('24: a logout is not undone by a result that comes after it', async ({ provider, a, b, ref }) => {
      const { first, exchange } = await hang(provider, () => a.ask(ref))
      await b.tokens.end(ref, 'logout')
      exchange.answer(exchange.process())
      assert.equal(await first, 'no_session')
      assert.equal(await b.store.tokens.read(ref), null)
    })
  })
}

test('a store that is away for longer than a result is held: said once, and no more is made of it', async () => {
  await using pair = await startPair('redis', {}, { persist: 300 })
  const { provider, a, ref } = pair
  const { first, exchange } = await hang(provider, () => a.ask(ref))
  a.script.cut()
  exchange.answer(exchange.process())
  assert.equal(await first, 'store_unreachable')
  await said(a.log, 'rotation_lost')
  a.script.mend()
  assert.equal(await askUntilSettled(a, ref), 'session_ended')
  await said(a.log, 'session_ended', { reason: 'rotation_lost' })
  assert.equal(a.log.filter(({ msg }) => msg === 'rotation_lost').length, 1)
})
