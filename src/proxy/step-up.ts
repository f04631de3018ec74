import { BffError } from '../errors.ts'
import type { SignedIn } from '../tokens/signed-in.ts'
import { acrValuesPattern, paths } from '../wire.ts'

/**
 * What to answer in place of an upstream that refuses the login behind a request as too weak or too old.
 * @param challenge parameters of its Bearer challenge
 * @returns `step_up_required` with the address of a login that would do; `insufficient_scope` when this one should have
 *   done: another like it would bring nothing, and an application would send its user round in circles; `null` when
 *   that is not what the upstream says
 */
export type StepUp = (challenge: ReadonlyMap<string, string> | null, signedIn: SignedIn) => BffError | null

/** What an upstream demands of a login (RFC 9470, section 3). */
interface Demand {
  acrValues: readonly string[]
  /** Seconds. */
  maxAge: number | null
}

/** Clocks of provider, upstream and ours may differ by so many seconds. */
const toleranceSeconds = 5

/** A login younger than this is what an upstream gets that says only that it wants another one. */
const freshSeconds = 60

export function createStepUp(basePath: string): StepUp {
  return (challenge, signedIn) => {
    if (challenge?.get('error') !== 'insufficient_user_authentication') return null
    const demand = readDemand(challenge)
    if (isMet(demand, signedIn)) return new BffError('insufficient_scope')
    return new BffError('step_up_required', { loginUrl: `${basePath}${paths.login}?${loginQuery(demand)}` })
  }
}

/** What is not as it should be counts as not said. */
function readDemand(challenge: ReadonlyMap<string, string>): Demand {
  const acrValues = challenge.get('acr_values') ?? ''
  const maxAge = challenge.get('max_age') ?? ''
  return {
    acrValues: acrValuesPattern.test(acrValues) ? acrValues.split(' ').filter((value) => value !== '') : [],
    maxAge: /^\d{1,9}$/.test(maxAge) ? Number(maxAge) : null,
  }
}

function isMet({ acrValues, maxAge }: Demand, { acr, at, beganAt }: SignedIn): boolean {
  const now = Date.now() / 1000 // the provider's clock is no nearer to any other
  if (acrValues.length > 0 && (acr === null || !acrValues.includes(acr))) return false
  if (maxAge !== null) return now - at <= maxAge + toleranceSeconds
  return acrValues.length > 0 || now - beganAt <= freshSeconds
}

function loginQuery({ acrValues, maxAge }: Demand): URLSearchParams {
  const query = new URLSearchParams()
  if (acrValues.length > 0) query.set('acr_values', acrValues.join(' '))
  if (maxAge !== null) query.set('max_age', String(maxAge))
  if (query.size === 0) query.set('prompt', 'login')
  return query
}
