import type { Options } from '../options.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Fence, GoneReason, Store, TokenRecord } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { ClaimsRenewal } from './claims.ts'
import type { Denials } from './denials.ts'
import type { ProviderHealth } from './provider-health.ts'
import type { Revoker } from './revoker.ts'
import type { Seal } from './seal.ts'
import type { TokenSet } from './token-set.ts'
import type { TokenTarget } from './token-target.ts'

/** What a flight works with. */
export interface FlightParts {
  store: Store
  seal: Seal
  provider: Provider
  health: ProviderHealth
  revoker: Revoker
  claims: ClaimsRenewal
  denials: Denials
  options: Options
  say: Say
}

/** What a refresh is to bring. */
export interface Wanted {
  /** `null` for the session's own access token. */
  target: TokenTarget | null
  /** The access token that an upstream refused although it should have been good; `null` where its age is the reason. */
  refused: string | null
}

/** One node's refresh of one session, as those see it who wait for it. */
export interface Flight {
  readonly ref: string
  readonly wanted: Wanted
  /** Monotonic time in ms. */
  readonly began: number
  /** Requests that came along after the one that began it. */
  joined: number
  /** A result in hand that the store has not confirmed yet. */
  held: Held | undefined
  landed: Promise<Landed>
}

/** One try of a flight at the lease, under an id of its own: late commands of an earlier one match nothing. */
export interface Cycle extends Fence {
  ref: string
  id: string
}

export interface Held extends Cycle {
  tokens: TokenSet
}

/** How a flight ended, for everybody who waited for it. */
export type Landed =
  | { is: 'tokens'; tokens: TokenSet }
  | { is: 'gone'; reason: GoneReason }
  /** The provider gives this session no token for what was wanted; all else is as it was. */
  | { is: 'not_granted' }
  /** Not now; try again after so many milliseconds. */
  | { is: 'later'; afterMs: number }

/** Somebody else's flight came in between: look at the record, read again where it is not known. */
export interface Overtaken {
  is: 'overtaken'
  record: TokenRecord | null
}

export type Presented = Landed | Overtaken
