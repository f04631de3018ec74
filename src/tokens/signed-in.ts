import type { IdTokenClaims } from '../relying-party/authorization-code.ts'

/** How a session's user has proved who they are, by the ID token of the login. */
export interface SignedIn {
  /** Seconds since the epoch at which the provider asked the user for a proof; as `beganAt` where it does not say. */
  at: number
  /** Authentication Context Class Reference (OpenID Connect Core 1.0, section 2), `null` where the provider does not say. */
  acr: string | null
  /** Seconds since the epoch at which the session began. */
  beganAt: number
}

/** @param now store time in ms */
export function signedInBy({ auth_time, acr }: IdTokenClaims, now: number): SignedIn {
  const beganAt = Math.floor(now / 1000)
  return { at: typeof auth_time === 'number' ? auth_time : beganAt, acr: typeof acr === 'string' ? acr : null, beganAt }
}
