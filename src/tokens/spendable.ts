import { BffError } from '../errors.ts'
import type { GoneReason } from '../storage/store.ts'
import type { AccessToken } from './access-token.ts'
import type { SignedIn } from './signed-in.ts'
import type { TokenSet } from './token-set.ts'

/** An access token, and what is known of it. */
export interface Spendable {
  accessToken: string
  /** What was granted, separated by spaces. */
  scope: string
  signedIn: SignedIn
}

/** Where the access tokens of a route come from. Sessions are named by `ref`. */
export interface Spending {
  /**
   * An access token that can be used now, fetched if need be.
   * @throws BffError `no_session`, `session_ended`, `insufficient_scope` when the provider gives none for what the route
   *   asks for, `provider_unreachable`, `store_unreachable`
   */
  spendable(ref: string): Promise<Spendable>
  /**
   * A better token than one that an upstream has just refused as invalid: another's if there is a newer one, else one
   * that is fetched. A token that came about in this way and is refused again is left at that, until it is over.
   * @returns `null` when there is none to be had
   * @throws as `spendable`
   */
  insteadOf(ref: string, refused: Spendable): Promise<Spendable | null>
}

/**
 * @param at by the token's own clock
 * @throws BffError `provider_unreachable` for a token that cannot be put into a header
 */
export function spendableOf(token: AccessToken, { signedIn }: TokenSet, at: number): Spendable {
  if (!token.isSpendable) throw unavailable(token.left(at))
  return { accessToken: token.value, scope: token.scope, signedIn }
}

/** The session is gone. */
export function goneError(reason: GoneReason): BffError {
  return new BffError(wasEndedByProvider(reason) ? 'session_ended' : 'no_session')
}

/** Nothing to spend now; there may be after so many milliseconds. */
export function unavailable(afterMs: number, cause?: unknown): BffError {
  return new BffError('provider_unreachable', { cause, retryAfterSeconds: Math.max(Math.ceil(afterMs / 1000), 1) })
}

/** For `insteadOf`: the refusal stands where nothing better is to be had now. @throws any other error */
export function nullIfNotNow(error: unknown): null {
  const problem = error instanceof BffError ? error.problem : undefined
  if (problem === 'provider_unreachable' || problem === 'insufficient_scope') return null
  throw error
}

/** As opposed to by somebody who logged out. */
function wasEndedByProvider(reason: GoneReason): boolean {
  return reason === 'refused' || reason === 'rotation_lost' || reason === 'subject_changed'
}
