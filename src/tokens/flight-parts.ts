import type { Options } from '../options.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Fence, GoneReason, Store, TokenRecord } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { ProviderHealth } from './provider-health.ts'
import type { Revoker } from './revoker.ts'
import type { Seal } from './seal.ts'
import type { TokenSet } from './token-set.ts'

/** What a flight works with. */
export interface FlightParts {
  store: Store
  seal: Seal
  provider: Provider
  health: ProviderHealth
  revoker: Revoker
  options: Options
  say: Say
}

/** One acquire cycle of one flight: late commands of an earlier cycle match nothing. */
export interface FlightOf extends Fence {
  ref: string
  id: string
}

/** A result in hand that the store has not confirmed yet. */
export interface Held extends FlightOf {
  tokens: TokenSet
}

/** How a flight ended, for everybody who waited for it. */
export type Landed =
  | { is: 'tokens'; tokens: TokenSet }
  | { is: 'gone'; reason: GoneReason }
  /** Not now; try again after so many milliseconds. */
  | { is: 'later'; afterMs: number }

/** Somebody else's flight came in between: look at the record, read again where it is not known. */
export interface Overtaken {
  is: 'overtaken'
  record: TokenRecord | null
}

export type Presented = Landed | Overtaken
