import { createHash } from 'node:crypto'
import type { FaultKind } from './schedule.ts'

/**
 * What was seen of a run, from the outside: by the clients, by the API, at the provider's token endpoint, in the log of
 * the nodes, and what was done to them. Times are milliseconds since the run began. Sessions are called by their `ref`,
 * tokens by the beginning of their SHA-256.
 */
export interface History {
  limits: Limits
  logins: Login[]
  departures: Departure[]
  calls: Call[]
  uses: Use[]
  exchanges: Exchange[]
  revocations: Revocation[]
  faults: Fault[]
  said: Said[]
}

/** Deadlines of the nodes that decide what a fault may cost, in milliseconds. */
export interface Limits {
  lease: number
  grace: number
  /** How long a node waits for the provider's answer at least. */
  ask: number
  /** Every call has an answer within so long, and what its node was stopped for meanwhile. */
  answer: number
}

/** A login that ended with a session cookie. */
export interface Login {
  user: string
  ref: string
  began: number
  ended: number
}

/** An attempt to leave a session, by logout or by a login that replaces it. */
export interface Departure {
  ref: string
  how: 'logout' | 'replaced'
  began: number
  /** When the client was told that it is over; `null` when it never was. */
  acknowledged: number | null
}

/** A request to the API path of a node. */
export interface Call {
  id: number
  ref: string
  node: number
  began: number
  ended: number | null
  /** `null`: the connection broke. */
  status: number | null
  /** Problem code, where there is one. */
  code: string | null
  /** Given up by the client. */
  aborted: boolean
  /** Whether it was made with the cookie of a session that the client had left. */
  afterLeaving: boolean
  /** Whether it was the session's last call, made when everything was well again and its access token was over. */
  last: boolean
}

/** An authorised request that the API has seen. */
export interface Use {
  call: number
  at: number
  token: string
}

/** A request to the token endpoint. */
export interface Exchange {
  id: number
  node: number
  /** User name, as far as an answer told it. */
  user: string | null
  /** The refresh token; `null` for a login's code. */
  presented: string | null
  arrived: number
  /** When the provider decided; `null` while it has not, and where it was never asked. */
  processed: number | null
  outcome: 'none' | 'issued' | 'refused' | 'declined'
  issued: { access: string; refresh: string } | null
  /** What became of the answer. `dropped`: there was none; `left`: nobody was there any more. */
  fate: 'pending' | 'delivered' | 'declined' | 'swallowed' | 'spoiled' | 'dropped' | 'left'
  ended: number | null
}

export interface Revocation {
  at: number
  node: number
  token: string
}

/** Something that was done, or happened, to a node or, where `node` is `null`, to all of them. */
export interface Fault {
  kind: FaultKind | 'stalled'
  node: number | null
  began: number
  /** `null` while it lasts. */
  ended: number | null
}

/** A line of a node's log. */
export interface Said {
  at: number
  node: number
  event: string
  ref: string | null
  outcome: string | null
  version: number | null
  presentation: number | null
  /** How long the provider was waited for. */
  askedMs: number | null
  reason: string | null
}

export function createHistory(limits: Limits): History {
  return {
    limits,
    logins: [],
    departures: [],
    calls: [],
    uses: [],
    exchanges: [],
    revocations: [],
    faults: [],
    said: [],
  }
}

/** What a token is called wherever something is kept: of no use to anybody. */
export function nameOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12)
}
