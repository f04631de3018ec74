import { BffError } from '../errors.ts'
import type { Fence, GoneReason } from '../storage/store.ts'
import type { Landed } from './flight-parts.ts'
import type { SignedIn } from './signed-in.ts'
import type { TokenSet } from './token-set.ts'

/** An access token, and the version of the record it is from. */
export interface Spendable extends Fence {
  accessToken: string
  /** What was granted, separated by spaces. */
  scope: string
  signedIn: SignedIn
}

/**
 * What the end of a flight leaves to be spent.
 * @throws BffError `no_session`, `session_ended`, `provider_unreachable`
 */
export function spend(landed: Landed): Spendable {
  if (landed.is === 'gone') throw new BffError(wasEndedByProvider(landed.reason) ? 'session_ended' : 'no_session')
  if (landed.is === 'later') throw unavailable(landed.afterMs)
  if (!landed.tokens.isSpendable) throw unavailable(0)
  return spendableOf(landed.tokens, landed)
}

export function spendableOf({ accessToken, scope, signedIn }: TokenSet, { epoch, version }: Fence): Spendable {
  return { accessToken, scope, signedIn, epoch, version }
}

/** Nothing to spend now; there may be after so many milliseconds. */
export function unavailable(afterMs: number): BffError {
  return new BffError('provider_unreachable', { retryAfterSeconds: Math.max(Math.ceil(afterMs / 1000), 1) })
}

/** As opposed to by somebody who logged out. */
function wasEndedByProvider(reason: GoneReason): boolean {
  return reason === 'refused' || reason === 'rotation_lost' || reason === 'subject_changed'
}
