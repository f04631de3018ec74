import { BffError } from '../errors.ts'
import type { Fence, GoneReason } from '../storage/store.ts'
import type { Landed } from './flight-parts.ts'

/** An access token, and the version of the record it is from. */
export interface Spendable extends Fence {
  accessToken: string
  /** What was granted, separated by spaces. */
  scope: string
}

/**
 * What the end of a flight is worth to whoever waited for it.
 * @throws BffError `no_session`, `session_ended`, `provider_unreachable`
 */
export function spend(landed: Landed): Spendable {
  if (landed.is === 'gone') throw new BffError(wasEndedByProvider(landed.reason) ? 'session_ended' : 'no_session')
  if (landed.is === 'later') throw unavailable(landed.afterMs)
  const { tokens, epoch, version } = landed
  if (!tokens.isSpendable) throw unavailable(0)
  return { accessToken: tokens.accessToken, scope: tokens.scope, epoch, version }
}

/** @param afterMs when trying again makes sense */
export function unavailable(afterMs: number): BffError {
  return new BffError('provider_unreachable', { retryAfterSeconds: Math.max(Math.ceil(afterMs / 1000), 1) })
}

/** As opposed to by somebody who logged out. */
function wasEndedByProvider(reason: GoneReason): boolean {
  return reason === 'refused' || reason === 'rotation_lost' || reason === 'subject_changed'
}
