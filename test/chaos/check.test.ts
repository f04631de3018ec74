import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { check } from './check.ts'
import {
  brokenRules,
  call,
  changed,
  createGoodHistory,
  createReuse,
  exchange,
  fault,
  said,
} from './hand-made-history.ts'
import type { Exchange, History } from './history.ts'

const firstPresentation = (history: History): Exchange => history.exchanges[1] ?? assert.fail()

test('a history in which all is well breaks no rule', () => {
  assert.deepEqual(brokenRules(createGoodHistory()), [])
})

describe('a token is presented again', () => {
  const tooLate = ['ended without cause', 'presented after its successor was received']

  test('after a living node has received its successor', () => {
    assert.deepEqual(brokenRules(createReuse(2_500)), tooLate)
  })

  test('while its presenter, who lives, waits for the answer', () => {
    assert.deepEqual(brokenRules(createReuse(2_010)), ['ended without cause', 'presented again without doubt'])
  })

  for (const [what, struck] of [
    ['Redis was frozen', fault('freeze', null, 2_030, 4_900)],
    ['its presenter was told to end', fault('term', 0, 2_030, 4_900)],
    ['its presenter was stopped for less than its lease and the grace', fault('stop-short', 0, 2_030, 2_600)],
    ['its presenter was killed when it had long been able to store what it got', fault('kill', 0, 4_500, 4_900)],
    ['another node was killed', fault('kill', 2, 2_030, 4_900)],
    ['its presenter lost the provider after it had the answer', fault('provider-cut', 0, 2_500, 4_900)],
  ] as const) {
    test(`and it is no excuse that ${what}`, () => {
      const history = createReuse(5_000)
      history.faults.push(struck)
      assert.deepEqual(brokenRules(history), tooLate)
    })
  }

  for (const [what, line] of [
    ['did not wait as long as a node waits', { at: 2_520, askedMs: 530 }],
    ['gave up another presentation, which it sent later', { at: 4_000, askedMs: 1_000 }],
    ['gave up another presentation, two seconds before', { at: -1, askedMs: 1_000 }],
    ['gave up after that', { at: 5_200, askedMs: 3_210 }],
  ] as const) {
    test(`and it is no excuse that its presenter ${what}`, () => {
      const history = createReuse(5_000)
      Object.assign(history.said[0] ?? {}, { ...line, outcome: 'silent' })
      assert.deepEqual(brokenRules(history), ['ended without cause', 'presented again without doubt'])
    })
  }

  const silently = (history: History) => history.said.splice(0, 1)
  for (const [excuse, change] of [
    ['answer lost', (history) => Object.assign(firstPresentation(history), { fate: 'swallowed' })],
    ['answer lost', (history) => silently(history) && history.faults.push(fault('provider-cut', 0, 2_030, 2_060))],
    [
      'answer lost', // the connection broke, and the endpoint notices when it has long decided
      (history) =>
        silently(history) &&
        history.faults.push(fault('provider-cut', 0, 2_030, 2_060)) &&
        Object.assign(firstPresentation(history), { fate: 'left', processed: 5_100, ended: 5_200 }),
    ],
    ['declined', (history) => Object.assign(firstPresentation(history), { fate: 'spoiled' })],
    ['given up', (history) => Object.assign(history.said[0] ?? {}, { at: 3_020, outcome: 'silent', askedMs: 1_030 })],
    [
      'given up', // before it arrived, on a machine with too much to do
      (history) => Object.assign(history.said[0] ?? {}, { at: 1_500, outcome: 'silent', askedMs: 1_000 }),
    ],
    ['holder killed', (history) => history.faults.push(fault('kill', 0, 2_060, 3_000))],
    ['holder out', (history) => history.faults.push(fault('stop-long', 0, 2_060, 4_500))],
    ['holder out', (history) => history.faults.push(fault('redis-hold', 0, 2_060, 4_500))],
    ['delayed', (history) => history.faults.push(fault('provider-hold', 1, 1_900, 4_990))],
    [
      'delayed', // held back with others, and it arrived last of those that were held back with it
      (history) =>
        history.faults.push(fault('provider-hold', 1, 1_900, 4_860)) &&
        history.exchanges.splice(2, 0, ...[4_865, 4_910, 4_955].map((arrived) => exchange({ node: 1, arrived }))),
    ],
  ] as [string, (history: History) => unknown][]) {
    test(`with the excuse "${excuse}"`, () => {
      const history = createReuse(5_000)
      change(history)
      if (excuse === 'declined') {
        // The provider's answer was a plain no, so that the next refusal is one as well.
        for (const line of history.said) if (line.reason !== null) line.reason = 'refused'
        silently(history)
      }
      assert.deepEqual(brokenRules(history), [])
      assert.deepEqual([...check(history).presentedAgain], [[excuse, 1]])
    })
  }
})

describe('a session ends', () => {
  const refusal = exchange({
    presented: 'refresh-2',
    arrived: 5_000,
    processed: 5_010,
    ended: 5_020,
    outcome: 'refused',
  })
  const endedAs = (reason: string) => said({ at: 5_100, event: 'session_ended', reason })

  test('though the provider had not rotated its token', () => {
    const history = changed(({ exchanges, said: lines }) => [exchanges.push(refusal), lines.push(endedAs('refused'))])
    assert.deepEqual(brokenRules(history), ['ended without cause'])
  })

  test('because a node had revoked its token', () => {
    const history = changed(({ exchanges, said: lines, revocations }) => [
      exchanges.push(refusal),
      lines.push(endedAs('refused')),
      revocations.push({ at: 4_000, node: 1, token: 'refresh-2' }),
    ])
    assert.match(check(history).violations[0]?.sentence ?? '', /we had revoked it/)
  })

  for (const reason of ['idle', 'absolute', 'key_removed', 'subject_changed', 'logout']) {
    test(`as ${reason}, which nobody had asked for`, () => {
      assert.deepEqual(brokenRules(changed((history) => history.said.push(endedAs(reason)))), ['ended without cause'])
    })
  }

  test('and no node says why', () => {
    const history = changed(({ calls }) => calls.push(call({ id: 3, began: 5_000, ended: 5_010, status: 401 })))
    assert.deepEqual(brokenRules(history), ['ended without a stated reason'])
  })

  test('and the node that was refused says so, and that the store was silent when it was told', () => {
    const history = createReuse(5_000)
    history.faults.push(fault('kill', 0, 2_060, 3_000))
    const refused = { node: 1, event: 'refresh', outcome: 'refused' }
    history.said.splice(1, 1, said({ at: 5_050, ...refused }), said({ at: 5_350, node: 1, event: 'refresh_failed' }))
    assert.deepEqual(brokenRules(history), [])
    history.said.pop()
    assert.deepEqual(brokenRules(history), ['ended without a stated reason'])
  })

  test('as refused, though what became of its token was in doubt', () => {
    const history = createReuse(5_000)
    history.faults.push(fault('kill', 0, 2_060, 3_000))
    for (const line of history.said) if (line.reason !== null) line.reason = 'refused'
    assert.deepEqual(brokenRules(history), ['ended without a stated reason'])
  })

  test('because a node dropped what it could not store', () => {
    const history = changed((one) => one.said.push(said({ at: 5_000, event: 'rotation_lost' })))
    assert.deepEqual(brokenRules(history), ['ended without cause'])
  })

  test('because its user left, and that is as it should be', () => {
    const history = changed(({ departures, said: lines, calls }) => [
      departures.push({ ref: 'A', how: 'logout', began: 6_500, acknowledged: 6_600 }),
      lines.push(said({ at: 6_550, event: 'session_ended', reason: 'logout' })),
      calls.push(call({ id: 3, began: 6_700, ended: 6_710, status: 401, afterLeaving: true })),
    ])
    assert.deepEqual(brokenRules(history), [])
    assert.deepEqual([...check(history).ended], [['logout', 1]])
  })
})

describe('after the storm', () => {
  const last = (history: History) => history.calls.find((one) => one.last) ?? assert.fail()

  for (const [what, change] of [
    ['its call is made with an older token', ({ uses }) => Object.assign(uses[1] ?? {}, { token: 'access-1' })],
    ['its call is made with an unknown token', ({ uses }) => Object.assign(uses[1] ?? {}, { token: 'access-9' })],
    ['its call is answered with 503', (history) => Object.assign(last(history), { status: 503 })],
  ] as [string, (history: History) => unknown][]) {
    test(`a session is alive and ${what}`, () => {
      assert.deepEqual(brokenRules(changed(change)), ['stored is not the newest'])
    })
  }
})

describe('after a session was left', () => {
  const left = { ref: 'A', how: 'logout', began: 6_500, acknowledged: 6_600 } as const

  test('a call that begins later reaches the API, though its client gives up', () => {
    const history = changed(({ departures, calls, uses }) => [
      departures.push(left),
      calls.push(call({ id: 3, began: 6_601, ended: 6_650, status: null, aborted: true, afterLeaving: true })),
      uses.push({ call: 3, at: 6_640, token: 'access-2' }),
    ])
    assert.deepEqual(brokenRules(history), ['authorised after leaving'])
  })

  test('a call that began before is none of it', () => {
    const history = changed(({ departures, calls, uses }) => [
      departures.push(left),
      calls.push(call({ id: 3, began: 6_599, ended: 6_650 })),
      uses.push({ call: 3, at: 6_640, token: 'access-2' }),
    ])
    assert.deepEqual(brokenRules(history), [])
  })

  test('nothing was acknowledged, so nothing was promised', () => {
    const history = changed(({ departures }) => departures.push({ ...left, began: 5_000, acknowledged: null }))
    assert.deepEqual(brokenRules(history), [])
  })
})
