import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TokenTarget } from '../../src/tokens/token-target.ts'
import { hang, rotateAndReset } from './exchange.ts'
import { startCluster } from './process-node.ts'
import { askUntilSettled, said } from './token-node.ts'
import { startPair, storeKinds } from './token-pair.ts'

// A route that has an access token of its own asks for it with the session's one refresh token: what goes wrong there
// must cost the session, and the tokens of its other routes, no more than any refresh does.

const parameters = { scope: 'orders' }
const orders: TokenTarget = { by: 'refresh', key: JSON.stringify(parameters), parameters }

describe('a refresh for a route', { concurrency: 8 }, () => {
  for (const kind of storeKinds) {
    test(`on one node, and one for the session on another, at once: each gets its own, no token is seen twice, in ${kind}`, async () => {
      await using pair = await startPair(kind)
      const { provider, a, b, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref, orders))
      const own = b.ask(ref)
      exchange.answer(exchange.process())
      assert.deepEqual(await Promise.all([first, own]), ['alice.2/orders', 'alice.3'])
      assert.deepEqual(await Promise.all([b.ask(ref, orders), a.ask(ref)]), ['alice.2/orders', 'alice.3'])
      assert.deepEqual(provider.presented, ['alice.1', 'alice.2'])
    })

    test(`whose answer is lost, at a provider with leeway: the route is served, and so is the session, in ${kind}`, async () => {
      await using pair = await startPair(kind, { leewayMs: 60_000 })
      const { provider, a, b, ref } = pair
      provider.next(rotateAndReset)
      assert.equal(await a.ask(ref, orders), 'alice.3/orders')
      assert.equal(await b.ask(ref), 'alice.4')
      assert.deepEqual(provider.presented, ['alice.1', 'alice.1', 'alice.3'])
    })

    test(`whose answer is lost: told as a lost rotation, and not as a token that is not granted, in ${kind}`, async () => {
      await using pair = await startPair(kind)
      const { provider, a, b, ref } = pair
      provider.next(rotateAndReset)
      assert.equal(await a.ask(ref, orders), 'session_ended')
      await said(a.log, 'session_ended', { reason: 'rotation_lost' })
      assert.ok(a.log.every(({ msg }) => msg !== 'token_not_granted'))
      assert.equal(await b.ask(ref), 'no_session')
      assert.deepEqual(provider.revoked, [])
    })

    test(`whose answer is lost, and then refused for the route alone: the session’s next refresh knows of it, in ${kind}`, async () => {
      await using pair = await startPair(kind)
      const { provider, a, b, ref } = pair
      provider.next(rotateAndReset)
      provider.next((exchange) => exchange.answer({ status: 400, body: { error: 'invalid_target' } }))
      assert.equal(await a.ask(ref, orders), 'insufficient_scope')
      assert.equal((await b.store.tokens.read(ref))?.unanswered, 1)
      assert.equal(await askUntilSettled(b, ref), 'session_ended')
      await said(b.log, 'session_ended', { reason: 'rotation_lost' })
    })

    test(`that is cut off with its answer until the session was refreshed, with leeway: asks once more, in ${kind}`, async () => {
      await using pair = await startPair(kind, { leewayMs: 60_000 })
      const { provider, a, b, ref } = pair
      const { first, exchange } = await hang(provider, () => a.ask(ref, orders))
      a.script.cut()
      exchange.answer(exchange.process())
      assert.equal(await b.ask(ref), 'alice.3')
      a.script.mend()
      assert.equal(await first, 'alice.4/orders')
      assert.deepEqual(await Promise.all([b.ask(ref, orders), a.ask(ref)]), ['alice.4/orders', 'alice.3'])
      assert.deepEqual([provider.presented, provider.revoked], [['alice.1', 'alice.1', 'alice.3'], []])
    })
  }

  test('whose process is killed with the answer in hand, at a provider with leeway: alive', async () => {
    await using cluster = await startCluster({ policy: { leewayMs: 60_000 } })
    const { a, b, provider, observer } = cluster
    const session = await cluster.begin()
    const writing = a.gate.stop('replace', 'before')
    const first = a.call(session, null, 'orders')
    await writing.reached
    await a.kill()
    assert.equal(await b.call(session, null, 'orders'), 200)
    assert.equal(await first, 0)
    assert.equal(await observer.ask(session.ref, orders), 'alice.3/orders')
    assert.equal(await b.call(session), 200)
    assert.deepEqual(provider.presented, ['alice.1', 'alice.1', 'alice.3'])
  })
})
