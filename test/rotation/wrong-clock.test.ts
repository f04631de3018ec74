import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startCluster } from './process-node.ts'

/** A module that sets the wall clock of its process wrong. */
const clockModule = (ms: number) =>
  `data:text/javascript,${encodeURIComponent(`const Right = Date
globalThis.Date = class extends Right {
  constructor(...given) { given.length === 0 ? super(Right.now() + ${ms}) : super(...given) }
  static now() { return Right.now() + ${ms} }
}`)}`

describe('a node whose clock is wrong', () => {
  for (const [name, ms] of [
    ['an hour ahead', 3_600_000],
    ['an hour behind', -3_600_000],
  ] as const) {
    test(`${name}: refreshes when it is due, and logs nobody out`, async () => {
      await using cluster = await startCluster({ preload: clockModule(ms) })
      const { a, b, provider } = cluster
      for (const [subject, first, second] of [
        ['ann', a, b],
        ['ben', b, a],
      ] as const) {
        const session = await cluster.begin(subject)
        for (const node of [first, second, first, second]) assert.equal(await node.call(session), 200)
      }
      assert.deepEqual(provider.presented, ['ann.1', 'ben.1'])
    })
  }
})
