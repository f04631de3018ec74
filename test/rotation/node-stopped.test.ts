import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hang } from './exchange.ts'
import { type Cluster, type ProcessSession, startCluster } from './process-node.ts'
import type { RotationPolicy } from './rotating-provider.ts'
import { leaseOver, until } from './token-node.ts'

// SIGSTOP of the process that refreshes, or a cut between it and Redis: for less than its lease and the grace, which
// must cost nothing, or until another one has taken over.

/** Whoever waited at a node that stood still has its answer, or is told to come again. */
const servedOrLater = new Set([200, 503])

const leeway: RotationPolicy = { leewayMs: 60_000 }

/** For who has to write within the grace although its machine is busy. */
const longGrace = { grace: 2_500 }

async function begin(policy: RotationPolicy = {}, timing = {}) {
  const cluster = await startCluster({ policy, timing })
  const session = await cluster.begin()
  return { ...cluster, session, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() }
}

/** Both processes serve the session, with nothing more presented. */
async function assertAlive({ a, b, provider }: Cluster, session: ProcessSession, presented: readonly string[]) {
  assert.deepEqual([await a.call(session), await b.call(session)], [200, 200])
  assert.deepEqual(provider.presented, presented)
}

describe('the process that refreshes stands still', { concurrency: 2 }, () => {
  for (const [where, outcome] of [
    ['before', 'it uses what is stored'],
    ['after', 'it looks at the clock and sends nothing'],
  ] as const) {
    test(`${where} its mark, until another has refreshed: ${outcome}`, async () => {
      await using running = await begin()
      const { a, b, session } = running
      const marking = a.gate.stop('mark', where)
      const first = a.call(session)
      await marking.reached
      a.signal('SIGSTOP')
      assert.equal(await b.call(session), 200)
      marking.go()
      a.signal('SIGCONT')
      assert.ok(servedOrLater.has(await first))
      await assertAlive(running, session, ['alice.1'])
    })
  }

  test('while it asks, for less than its lease and the grace: its answer counts', async () => {
    await using running = await begin({}, longGrace)
    const { a, b, session, provider, observer } = running
    const { first, exchange } = await hang(provider, () => a.call(session))
    a.signal('SIGSTOP')
    const second = b.call(session)
    exchange.answer(exchange.process())
    await leaseOver(observer.store, session.ref)
    a.signal('SIGCONT')
    assert.deepEqual(await Promise.all([first, second]), [200, 200])
    await assertAlive(running, session, ['alice.1'])
  })

  test('while it asks, for longer than it would wait for the answer: an answer that is here counts', async () => {
    await using running = await begin({}, { ask: 2_000 })
    const { a, session, provider, observer } = running
    const { first, exchange } = await hang(provider, () => a.call(session))
    a.signal('SIGSTOP')
    exchange.answer(exchange.process())
    // The lease is longer than the time that it waits for an answer.
    await leaseOver(observer.store, session.ref)
    a.signal('SIGCONT')
    assert.equal(await first, 200)
    await assertAlive(running, session, ['alice.1'])
  })

  test('with the answer in hand, until another asks, at a provider with leeway: the later answer wins', async () => {
    await using running = await begin(leeway)
    const { a, b, session, provider } = running
    const writing = a.gate.stop('replace', 'before')
    const first = a.call(session)
    await writing.reached
    a.signal('SIGSTOP')
    assert.equal(await b.call(session), 200)
    writing.go()
    a.signal('SIGCONT')
    assert.equal(await first, 200)
    await assertAlive(running, session, ['alice.1', 'alice.1'])
    assert.deepEqual([provider.newest(), provider.revoked], ['alice.3', []])
  })

  test('with the answer in hand, until another asks: what it held was lost, and it ends nothing else', async () => {
    await using running = await begin()
    const { a, b, session, provider } = running
    const bystander = await running.begin('bob')
    const writing = a.gate.stop('replace', 'before')
    const first = a.call(session)
    await writing.reached
    a.signal('SIGSTOP')
    assert.equal(await b.call(session), 401)
    writing.go()
    a.signal('SIGCONT')
    assert.equal(await first, 401)
    assert.deepEqual([provider.presented, provider.revoked], [['alice.1', 'alice.1'], []])
    assert.deepEqual([await a.call(bystander), await b.call(bystander)], [200, 200])
  })
})

describe('the process that refreshes is cut off from Redis', { concurrency: 2 }, () => {
  test('before it asks: no call is made, and when it is back the session is refreshed', async () => {
    await using running = await begin()
    const { a, session, provider } = running
    const marking = a.gate.stop('mark', 'before')
    const first = a.call(session)
    await marking.reached
    a.gate.cut()
    assert.equal(await first, 503)
    assert.equal(await a.call(session), 503)
    assert.deepEqual(provider.presented, [])
    a.gate.mend()
    await until(async () => (await a.call(session)) === 200)
    await assertAlive(running, session, ['alice.1'])
  })

  test('with the answer in hand, for a moment: it writes first', async () => {
    await using running = await begin({}, longGrace)
    const { a, b, session, provider, observer } = running
    const { first, exchange } = await hang(provider, () => a.call(session))
    a.gate.cut()
    exchange.answer(exchange.process())
    const second = b.call(session)
    await leaseOver(observer.store, session.ref)
    a.gate.mend()
    assert.deepEqual(await Promise.all([first, second]), [200, 200])
    await assertAlive(running, session, ['alice.1'])
  })

  test('while it asks, for long, at a provider with leeway: taken over, alive', async () => {
    await using running = await begin(leeway)
    const { a, b, session, provider } = running
    const { first, exchange } = await hang(provider, () => a.call(session))
    a.gate.cut()
    assert.equal(await b.call(session), 200)
    exchange.answer(exchange.process())
    a.gate.mend()
    await until(async () => (await a.call(session)) === 200)
    assert.ok(servedOrLater.has(await first))
    assert.deepEqual([provider.presented, provider.revoked], [['alice.1', 'alice.1'], []])
    assert.equal(await b.call(session), 200)
  })
})
