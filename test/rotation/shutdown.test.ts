import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { leaveOpen } from './exchange.ts'
import { startCluster } from './process-node.ts'

// SIGTERM of the process that refreshes: what has begun is finished and written before Redis is let go.

describe('a process that is told to stop', { concurrency: 2 }, () => {
  for (const [script, where] of [
    ['acquire', 'before'],
    ['mark', 'before'],
    ['mark', 'after'],
    ['replace', 'before'],
    ['replace', 'after'],
  ] as const) {
    test(`${where} ${script}: refreshes once, answers, and ends with 0`, async () => {
      await using cluster = await startCluster()
      const { a, b, provider } = cluster
      const session = await cluster.begin()
      const stop = a.gate.stop(script, where)
      const first = a.call(session)
      await stop.reached
      a.signal('SIGTERM')
      stop.go()
      assert.equal(await first, 200)
      assert.equal(await a.ended, 0)
      assert.equal(await b.call(session), 200)
      assert.deepEqual(provider.presented, ['alice.1'])
    })
  }

  test('while it asks: waits for the answer and writes it, even if nobody waits any more', async () => {
    await using cluster = await startCluster()
    const { a, b, provider } = cluster
    const session = await cluster.begin()
    const asked = provider.next(leaveOpen)
    const leave = new AbortController()
    const first = a.call(session, leave.signal)
    const exchange = await asked
    leave.abort()
    assert.equal(await first, 0)
    a.signal('SIGTERM')
    const second = b.call(session)
    exchange.answer(exchange.process())
    assert.equal(await a.ended, 0)
    assert.equal(await second, 200)
    assert.deepEqual(provider.presented, ['alice.1'])
  })
})
