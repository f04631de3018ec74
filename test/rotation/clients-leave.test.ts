import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { leaveOpen } from './exchange.ts'
import { type Cluster, startCluster } from './process-node.ts'
import { until } from './token-node.ts'

describe('a client that leaves', () => {
  let cluster: Cluster
  before(async () => {
    cluster = await startCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('while others wait for the same refresh: they get their answers', async () => {
    const { a, b, provider } = cluster
    const session = await cluster.begin('ann')
    const asked = provider.next(leaveOpen)
    const leave = new AbortController()
    const left = [a.call(session, leave.signal), b.call(session, leave.signal)]
    const exchange = await asked
    const stayed = [a.call(session), b.call(session)]
    leave.abort()
    assert.deepEqual(await Promise.all(left), [0, 0])
    exchange.answer(exchange.process())
    assert.deepEqual(await Promise.all(stayed), [200, 200])
    assert.deepEqual(presented(provider, 'ann'), ['ann.1'])
  })

  for (const [name, script] of [
    ['the provider is asked', null],
    ['the result is written', 'replace'],
  ] as const) {
    test(`alone, while ${name}: the refresh is finished and stored`, async () => {
      const { a, b, provider, observer } = cluster
      const subject = script ?? 'asked'
      const session = await cluster.begin(subject)
      const asked = provider.next(leaveOpen)
      const leave = new AbortController()
      const left = a.call(session, leave.signal)
      const exchange = await asked
      const stop = script === null ? null : a.gate.stop(script, 'before')
      if (stop !== null) {
        exchange.answer(exchange.process())
        await stop.reached
      }
      leave.abort()
      assert.equal(await left, 0)
      stop?.go()
      if (stop === null) exchange.answer(exchange.process())
      await until(async () => (await observer.store.tokens.read(session.ref))?.version === 2)
      assert.deepEqual([await a.call(session), await b.call(session)], [200, 200])
      assert.deepEqual(presented(provider, subject), [`${subject}.1`])
    })
  }

  test('while the API works: the API hears of it at once, and the session lives', async () => {
    const { a, upstream } = cluster
    const session = await cluster.begin('ben')
    assert.equal(await a.call(session), 200)
    const arrived = Promise.withResolvers<void>()
    const broken = Promise.withResolvers<void>()
    upstream.onRequest((_request, response) => {
      response.once('close', broken.resolve)
      arrived.resolve()
      return true
    })
    const leave = new AbortController()
    const left = a.call(session, leave.signal)
    await arrived.promise
    leave.abort()
    await broken.promise
    assert.equal(await left, 0)
    upstream.onRequest(() => false)
    assert.equal(await a.call(session), 200)
  })
})

function presented(provider: Cluster['provider'], subject: string): string[] {
  return provider.presented.filter((name) => name.startsWith(`${subject}.`))
}
