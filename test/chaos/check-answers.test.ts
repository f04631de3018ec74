import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokenRules, call, changed, fault, said } from './hand-made-history.ts'

describe('a call', () => {
  for (const [what, facts] of [
    ['is never answered', { ended: null, status: null }],
    ['is answered too late', { ended: 9_000 }],
    ['is answered with 500', { status: 500 }],
    ['is answered with a redirect', { status: 302 }],
    ['breaks though its node is up', { status: null }],
  ] as const) {
    test(what, () => {
      const history = changed(({ calls }) => calls.push(call({ id: 3, began: 3_000, ended: 3_010, ...facts })))
      assert.deepEqual(brokenRules(history), ['answer missing or wrong'])
    })
  }

  for (const [what, facts, struck] of [
    ['breaks with its node', { status: null }, fault('kill', 0, 3_005, 4_000)],
    ['is late as long as its node was stopped', { ended: 9_000 }, fault('stop-long', 0, 3_000, 6_500)],
    ['is given up by its client', { status: null, aborted: true }, fault('freeze', null, 3_000, 3_500)],
  ] as const) {
    test(`${what}, and that is as it should be`, () => {
      const history = changed(({ calls, faults }) => [
        calls.push(call({ id: 3, began: 3_000, ended: 3_010, ...facts })),
        faults.push(struck),
      ])
      assert.deepEqual(brokenRules(history), [])
    })
  }

  test('meets an error of our own, or a node that ends by itself', () => {
    for (const event of ['request_broke', 'exited with 1']) {
      assert.deepEqual(brokenRules(changed((history) => history.said.push(said({ event })))), [
        'answer missing or wrong',
      ])
    }
  })
})
