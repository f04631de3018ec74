import { check } from './check.ts'
import { type Call, createHistory, type Exchange, type Fault, type History, type Said } from './history.ts'

/**
 * A history in which all is well: one user logs in, node 0 refreshes once, and the last call is made with what it got.
 * Tests add what is wrong.
 */
export function createGoodHistory(): History {
  const history = createHistory({ lease: 1_000, grace: 300, ask: 1_000, answer: 5_000 })
  history.logins.push({ user: 'ann', ref: 'A', began: 0, ended: 100 })
  history.exchanges.push(
    exchange({ presented: null, user: 'ann', arrived: 40, processed: 50, ended: 60, issued: tokens(1) }),
    exchange({ presented: 'refresh-1', arrived: 2_000, processed: 2_020, ended: 2_040, issued: tokens(2) }),
  )
  history.said.push(said({ at: 2_050, event: 'refresh', outcome: 'issued', version: 1, presentation: 1 }))
  history.calls.push(call({ id: 1, began: 200, ended: 220 }), call({ id: 2, began: 6_000, ended: 6_020, last: true }))
  history.uses.push({ call: 1, at: 210, token: 'access-1' }, { call: 2, at: 6_010, token: 'access-2' })
  return history
}

/** A good history with something added, or done to it. */
export function changed(change: (history: History) => unknown): History {
  const history = createGoodHistory()
  change(history)
  return history
}

/** The rules that a history breaks, each once. */
export function brokenRules(history: History): string[] {
  return [...new Set(check(history).violations.map(({ rule }) => rule))].sort()
}

/** The same with a second presentation of the first token, at a time and by a node, which the provider refuses. */
export function createReuse(arrived: number, node = 1): History {
  const history = createGoodHistory()
  const refused = { outcome: 'refused', issued: null } as const
  history.exchanges.push(
    exchange({ ...refused, node, presented: 'refresh-1', arrived, processed: arrived + 20, ended: arrived + 40 }),
  )
  history.said.push(said({ at: arrived + 60, node, event: 'session_ended', reason: 'rotation_lost' }))
  const last = history.calls.find(({ id }) => id === 2)
  if (last !== undefined) Object.assign(last, { status: 401, code: 'session_ended' })
  history.uses.pop()
  return history
}

export function exchange(facts: Partial<Exchange>): Exchange {
  return {
    id: 0,
    node: 0,
    user: null,
    presented: null,
    arrived: 0,
    processed: null,
    outcome: 'issued',
    issued: null,
    fate: 'delivered',
    ended: null,
    ...facts,
  }
}

export function said(facts: Partial<Said>): Said {
  return {
    at: 0,
    node: 0,
    event: '',
    ref: 'A',
    outcome: null,
    version: null,
    presentation: null,
    askedMs: null,
    reason: null,
    ...facts,
  }
}

export function call(facts: Partial<Call>): Call {
  return {
    id: 0,
    ref: 'A',
    node: 0,
    began: 0,
    ended: null,
    status: 200,
    code: null,
    aborted: false,
    afterLeaving: false,
    last: false,
    ...facts,
  }
}

export function fault(kind: Fault['kind'], node: number | null, began: number, ended: number): Fault {
  return { kind, node, began, ended }
}

function tokens(generation: number): { access: string; refresh: string } {
  return { access: `access-${generation}`, refresh: `refresh-${generation}` }
}
