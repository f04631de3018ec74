import { BffError } from '../errors.ts'
import { createRecent } from '../remember.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import { unavailable } from './spendable.ts'
import type { TokenTarget } from './token-target.ts'

/** What a provider will not give is asked for again after so many times the pause after a failure. */
const notGrantedFactor = 30

/** Sessions, times targets, of which it is remembered. */
const remembered = 10_000

/** What this node has lately asked for in vain, so that the provider is not asked again for each request. */
export interface Denials {
  /** What stops a request for such a token; `null` when the provider may be asked. @param ref `null` for our own tokens */
  standing(ref: string | null, target: TokenTarget): BffError | null
  /** The provider gives this session no such token. @returns `insufficient_scope` */
  notGranted(ref: string, target: TokenTarget): BffError
  /** The provider did not answer, or not as it should. @returns `provider_unreachable` */
  failed(ref: string | null, target: TokenTarget, cause: unknown): BffError
}

export function createDenials({ decline }: Timing, say: Say): Denials {
  const denied = createRecent<{ until: number; error: BffError }>(remembered)
  const keyOf = (ref: string | null, { by, key }: TokenTarget) => `${ref ?? ''} ${by} ${key}`

  function note(key: string, lifeMs: number, error: BffError): BffError {
    denied.set(key, { until: performance.now() + lifeMs, error })
    return error
  }

  return {
    standing(ref, target) {
      const found = denied.get(keyOf(ref, target))
      return found === undefined || found.until <= performance.now() ? null : found.error
    },
    notGranted(ref, target) {
      say('token_not_granted', { ref, by: target.by, target: target.key })
      return note(keyOf(ref, target), decline * notGrantedFactor, new BffError('insufficient_scope'))
    },
    failed(ref, target, cause) {
      say('token_failed', { ref, by: target.by, target: target.key }, cause)
      return note(keyOf(ref, target), decline, unavailable(decline, cause))
    },
  }
}
