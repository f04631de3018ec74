import type { SessionIndex } from './session-index.ts'

/** The operations we need from a store. `redis-store.ts` and `memory-store.ts` pass one contract suite. */
export interface Store {
  /** Milliseconds since the epoch by the store's clock, as near as this node knows it. Not affected by our wall clock. */
  now(): number
  readonly sessions: SessionRecords
  readonly logins: LoginRecords
  readonly tokens: TokenRecords
  /** Counts for the rate limit of this name. */
  hits(limit: string): HitRecords
  /** Sessions by their user. */
  readonly subjects: SessionIndex
  /** Sessions by the session at the provider (its `sid`) that they came from; where no `sid` came, by whose they are. */
  readonly sids: SessionIndex
  readonly logoutTokens: LogoutTokenRecords
  /** Calls back for whatever any node does to any session; returns the way to stop. */
  onChange(listener: (change: Change) => void): () => void
  /** @throws BffError `store_unreachable` unless the store answers now */
  ready(): Promise<void>
  /** What endangers sessions although the store answers. @throws BffError `store_unreachable` when it does not */
  warnings(): Promise<readonly StoreWarning[]>
  close(): Promise<void>
}

/** One sentence for the operator: what is the matter, what it means, what to do. */
export interface StoreWarning {
  code: 'evicting' | 'replica' | 'not_persistent' | 'unknown'
  text: string
}

/** Seconds to live, in connect-redis' words. */
export interface SetOptions {
  expiration: { type: 'EX'; value: number }
}

/** What connect-redis needs of a client. Values are JSON written by express-session. */
export interface SessionRecords {
  get(ref: string): Promise<string | null>
  /** Only for a session that exists: what has ended meanwhile is not written. */
  set(ref: string, value: string, options: SetOptions): Promise<'written' | 'gone'>
  expire(ref: string, seconds: number): Promise<unknown>
  del(refs: string[]): Promise<number>
}

export interface LoginRecords {
  /** Keeps a pending login. `binder` identifies the browser that began it. */
  put(id: string, binder: string, payload: string, lifeMs: number): Promise<void>
  /** Whether it is there for this browser. Changes nothing, unlike a `take` whose answer is lost. */
  has(id: string, binder: string): Promise<boolean>
  /** Takes it, once and for all. `null` when there is none, or when another browser began it (it is then left alone). */
  take(id: string, binder: string): Promise<string | null>
  /** Keeps what may still be asked about a login that was taken. */
  keepUsed(id: string, payload: string, lifeMs: number): Promise<void>
  used(id: string): Promise<string | null>
}

/** Logout tokens that have done what they say. */
export interface LogoutTokenRecords {
  has(id: string): Promise<boolean>
  /** `false` when it is there already. */
  put(id: string, lifeMs: number): Promise<boolean>
}

/** How often, in a window that ends at `resetTime`. */
export interface Hits {
  totalHits: number
  resetTime: Date | undefined
}

/** What express-rate-limit needs of a store. A key's window begins with its first hit. */
export interface HitRecords {
  /** Comes before everything else. */
  init(options: { windowMs: number }): void
  get(key: string): Promise<Hits | undefined>
  increment(key: string): Promise<Hits>
  decrement(key: string): Promise<void>
  resetKey(key: string): Promise<void>
}

/** One session's token record, as `docs/refresh-protocol.md` has it. */
export interface TokenRecord {
  /** Sealed token set. */
  set: string
  /** Random, given at begin; with `version` the fence of every write. */
  epoch: string
  version: number
  /** Id of the flight that may be asking now; `-` when the outcome is unknown and nobody is on it; `null` when answered. */
  attempt: string | null
  /** Presentations of the stored refresh token that have no answer, the marked one included. */
  unanswered: number
  /** Moves whenever the presenter confirms that it lives. */
  beat: number
  /** Presentations in a row that the provider declined. */
  declined: number
  /** Store time in ms before which nobody presents the token again; 0 for at once. */
  notBefore: number
  /** Store time in ms at which the idle limit was last pushed out. */
  extendedAt: number
}

/** Which version of which record is meant. */
export interface Fence {
  epoch: string
  version: number
}

export interface Doubt {
  attempt: string
  beat: number
}

/** Why a session ended, as it stands in the record that is left behind for a while. */
export type EndReason =
  | 'logout'
  | 'backchannel_logout'
  | 'frontchannel_logout'
  | 'refused'
  | 'rotation_lost'
  | 'replaced'
  | 'ended_elsewhere'
  | 'too_many_sessions'
  | 'ended_by_operator'
  | 'all_ended'
  | 'subject_changed'
/** `expired`: no record and no reason known. */
export type GoneReason = EndReason | 'expired'

export interface Gone {
  is: 'gone'
  reason: GoneReason
}
export interface Changed {
  is: 'changed'
  record: TokenRecord
}
export type Acquired =
  | Gone
  | Changed
  | { is: 'busy'; forMs: number }
  | { is: 'later'; forMs: number }
  | { is: 'doubt'; doubt: Doubt }
  | { is: 'acquired'; record: TokenRecord }
export type Marked = Gone | Changed | { is: 'lost' } | { is: 'marked' }
export type Replaced = Gone | { is: 'stored' } | { is: 'stale'; record: TokenRecord }
/** `set` is what the session held, to be revoked; `null` when nothing is left to revoke. */
export type Ended =
  | { is: 'ended' | 'already'; reason: GoneReason; set: string | null }
  | { is: 'none' }
  | { is: 'notMine' }

export type Remaining = Gone | { is: 'remaining'; idleMs: number; absoluteMs: number; longestMs: number }

export type Change =
  | { is: 'stored'; ref: string }
  | { is: 'failed'; ref: string; left: number }
  | { is: 'ended'; ref: string; reason: EndReason }
  /** The channel was down: changes may have been missed. */
  | { is: 'reconnected' }

/**
 * Every operation may be repeated with the same arguments: after a timeout, repeating it tells what became of it.
 * `grantEndsAt`: store time in ms at which nothing is left to spend; absent when not known, and left out of `longestMs`.
 */
export interface TokenRecords {
  /** Every session there is, in no order, perhaps twice; one that begins or ends meanwhile may be there. Reads every key. */
  all(): AsyncGenerator<string, void, void>
  read(ref: string): Promise<TokenRecord | null>
  begin(
    ref: string,
    first: { epoch: string; set: string; idleMs: number; absoluteMs: number; grantEndsAt?: number | undefined },
  ): Promise<'begun' | 'exists'>
  /** What is left, or why it is gone; with `idleMs` the idle limit is first pushed out to it (never past the absolute one), once in `onceInMs`. */
  remaining(ref: string, idleMs?: number, onceInMs?: number): Promise<Remaining>
  acquire(
    ref: string,
    flight: Fence & { id: string; doubt: Doubt | null; open: boolean; leaseMs: number },
  ): Promise<Acquired>
  mark(
    ref: string,
    flight: Fence & { id: string; previous: string | null; unanswered: number; leaseMs: number; renewal: boolean },
  ): Promise<Marked>
  replace(
    ref: string,
    flight: Fence & { id: string; unanswered: number; set: string; grantEndsAt?: number | undefined },
  ): Promise<Replaced>
  /** Writes the session record's text if the session still exists. @param lifeSeconds of that text */
  writeSession(ref: string, text: string, lifeSeconds: number): Promise<'written' | 'gone'>
  /** Replaces the session record's text if it is still `before`, and the set of flight `by` stands. Its life goes on. */
  rewriteSession(ref: string, change: { by: string; before: string; after: string }): Promise<'written' | 'changed'>
  /**
   * Replaces the sealed set if it is still `before`, by one with the same refresh token: the version stays, and so does
   * the record's life.
   */
  rewriteSet(ref: string, change: { before: string; after: string }): Promise<'written' | 'changed'>
  release(ref: string, flight: Fence & { id: string; left: number; declined: number; backoffMs: number }): Promise<void>
  end(ref: string, reason: EndReason, fence: (Fence & { id: string }) | null): Promise<Ended>
  /** What `end` left to be revoked has been revoked. */
  forget(ref: string): Promise<void>
}
