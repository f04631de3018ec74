import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { leaveOpen } from './exchange.ts'
import { type Pair, startPair, storeKinds } from './token-pair.ts'

/** Where a refresh on node A can be when somebody ends the session on node B. */
interface Step {
  /** Brings it there; what it returns lets it go on. */
  reach(pair: Pair): Promise<() => void>
  /** What is to be revoked: what the end finds, and what comes after it. */
  revoked: readonly string[]
  /** Whether the provider may have heard of the revocation before it is asked, and then issues nothing. */
  maySendSpent?: true
}

const stopped = (operation: 'acquire' | 'mark' | 'replace', where: 'before' | 'after') => async (pair: Pair) => {
  const stop = pair.a.script.stop(operation, where)
  answers.set(pair, pair.a.ask(pair.ref))
  await stop.reached
  return stop.go
}
const answers = new Map<Pair, Promise<string>>()

const steps: Record<string, Step> = {
  'before it has the lease': { reach: stopped('acquire', 'before'), revoked: ['alice.1'] },
  'before its mark': { reach: stopped('mark', 'before'), revoked: ['alice.1'] },
  'marked, not sent': { reach: stopped('mark', 'after'), revoked: ['alice.1', 'alice.2'], maySendSpent: true },
  asking: {
    async reach(pair) {
      const asked = pair.provider.next(leaveOpen)
      answers.set(pair, pair.a.ask(pair.ref))
      const exchange = await asked
      const answer = exchange.process()
      return () => exchange.answer(answer)
    },
    revoked: ['alice.1', 'alice.2'],
  },
  'with the answer in hand': { reach: stopped('replace', 'before'), revoked: ['alice.1', 'alice.2'] },
  'its write made, the answer to it not here': { reach: stopped('replace', 'after'), revoked: ['alice.2'] },
}

for (const kind of storeKinds) {
  describe(`a session that ends while it is refreshed, sessions in ${kind}`, { concurrency: 6 }, () => {
    for (const [name, { reach, revoked, maySendSpent }] of Object.entries(steps)) {
      test(`logout on another node, the refresh is ${name}: it is over, and all that lives is revoked`, async () => {
        await using pair = await startPair(kind, { revokes: 'token' })
        const { provider, a, b, ref } = pair
        const goOn = await reach(pair)
        await b.tokens.end(ref, 'logout')
        assert.deepEqual([await a.ask(ref), await b.ask(ref)], ['no_session', 'no_session'])
        goOn()
        // A write that was made came before the logout; what its request does with the token, the API may see.
        assert.equal(await answers.get(pair), revoked[0] === 'alice.2' ? 'alice.2' : 'no_session')
        assert.deepEqual([await a.ask(ref), await b.ask(ref)], ['no_session', 'no_session'])
        await Promise.all([a.tokens.drain(), b.tokens.drain()])
        assert.deepEqual(provider.revoked.toSorted(), revoked.slice(0, provider.revoked.length))
        assert.ok(provider.revoked.length === revoked.length || maySendSpent, 'all that lives')
        assert.equal(provider.isLive(provider.newest()), false)
      })

      test(`another log-in, the refresh is ${name}: the old result is dropped, the new session lives`, async () => {
        await using pair = await startPair(kind)
        const { provider, a, b, ref } = pair
        const goOn = await reach(pair)
        const again = randomBytes(12).toString('base64url')
        await b.tokens.begin(again, provider.login('alice-again', 'alice'))
        await b.tokens.end(ref, 'replaced')
        goOn()
        assert.equal(await answers.get(pair), revoked[0] === 'alice.2' ? 'alice.2' : 'no_session')
        assert.deepEqual([await a.ask(ref), await b.ask(ref)], ['no_session', 'no_session'])
        await Promise.all([a.tokens.drain(), b.tokens.drain()])
        assert.deepEqual(provider.revoked, [])
        assert.deepEqual([await a.ask(again), await b.ask(again)], ['alice-again.2', 'alice-again.2'])
      })
    }
  })
}
