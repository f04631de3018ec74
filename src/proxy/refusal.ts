import type { IncomingHttpHeaders } from 'node:http'
import { BffError } from '../errors.ts'
import type { SignedIn } from '../tokens/signed-in.ts'
import { readBearerChallenge } from './challenge.ts'
import type { StepUp } from './step-up.ts'

/** What takes the place of a response when that is over; `null` when it is passed on. */
export type Instead = (() => void) | null

/** What can be done about a refusal. */
export interface Refusable {
  stepUp: StepUp
  reject: (error: BffError) => void
  /** Sends the request once more, with another token or with the same (`null`); `null` when it cannot be sent twice. */
  again: ((fresh: string | null) => void) | null
}

/**
 * What an upstream's 401 to a user's token leads to.
 * @param insteadOf what to ask for another token when this one is refused; `null` to let the refusal stand
 */
export function answerRefusal(
  headers: IncomingHttpHeaders,
  signedIn: SignedIn,
  { stepUp, reject, again }: Refusable,
  insteadOf: (() => Promise<string | null>) | null,
): Instead | Promise<Instead> {
  const challenge = readBearerChallenge(headers['www-authenticate'])
  const problem = stepUp(challenge, signedIn)
  if (problem !== null) return () => reject(problem)
  if (insteadOf === null || challenge?.get('error') !== 'invalid_token') return null
  const fresh = insteadOf()
  if (again !== null) return sendAgain(fresh, again, reject)
  fresh.catch(() => undefined) // so that the next request has a better one; this one's refusal stands
  return null
}

async function sendAgain(
  asked: Promise<string | null>,
  again: (fresh: string) => void,
  reject: Refusable['reject'],
): Promise<Instead> {
  try {
    const fresh = await asked
    return fresh === null ? null : () => again(fresh)
  } catch (error) {
    return () => reject(error instanceof BffError ? error : new BffError('internal', { cause: error }))
  }
}
