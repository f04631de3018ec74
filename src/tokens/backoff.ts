import type { RefreshAnswer } from '../relying-party/refresh-grant.ts'
import type { Timing } from '../timing.ts'

const longestDeclineFactor = 30
const longestSilenceFactor = 10

/** An answer that leaves the session with the refresh token that it had. */
type Fruitless = Extract<RefreshAnswer, { is: 'declined' | 'unsent' | 'silent' }>

/**
 * For how long a refresh token is left alone, in milliseconds: doubling with each answer in a row that was no, and with
 * each presentation after the second that met with silence.
 * @param declined answers in a row that were no, before this one
 */
export function backoffAfter(
  answer: Fruitless,
  presentation: number,
  declined: number,
  { decline, silence }: Pick<Timing, 'decline' | 'silence'>,
): number {
  const afterSilence = silence * Math.min(2 ** Math.max(presentation - 2, 0), longestSilenceFactor)
  if (answer.is === 'silent') return afterSilence
  const afterDecline = decline * Math.min(2 ** declined, longestDeclineFactor)
  // What is told is the least that is asked for (RFC 9110, section 10.2.3): 0 is no leave to ask without a pause.
  if (answer.is === 'declined') return Math.max(afterDecline, answer.retryAfterMs)
  // Nothing has been heard since an earlier presentation met with silence: that one may still be under way.
  return presentation > 1 ? Math.max(afterDecline, afterSilence) : afterDecline
}
