import { AuthorizationResponseError, authorizationCodeGrant } from 'openid-client'
import { BffError } from '../errors.ts'
import type { AuthorizationChecks } from './authorization-request.ts'
import { verifyIdToken } from './id-token.ts'
import { IdTokenRefused } from './id-token-refused.ts'
import { isOutage } from './outage.ts'
import { type Provider, unreachable } from './provider.ts'
import { refusalIn } from './provider-refusal.ts'
import { type IssuedTokens, readTokenResponse } from './token-response.ts'

/** Errors with which a provider answers `prompt=none` when it would have to show something (Core 1.0, section 3.1.2.6). */
const interactionErrors = new Set([
  'interaction_required',
  'login_required',
  'account_selection_required',
  'consent_required',
])

/** Claims of an ID token, verified as far as Core 1.0, section 3.1.3.7 asks of a code flow. */
export type IdTokenClaims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string }

export interface Login {
  tokens: IssuedTokens
  claims: IdTokenClaims
}

/**
 * Step two: the code becomes tokens.
 * @param callbackUrl the redirect_uri with the query the browser brought
 * @param parameters what the token request says besides: `resource`
 * @returns `null` when the provider would have had to show something and was asked not to
 * @throws BffError `login_failed`, `login_denied`, `provider_unreachable`
 */
export async function redeemCode(
  provider: Provider,
  callbackUrl: URL,
  state: string,
  { nonce, codeVerifier, maxAge, askedAt = Date.now(), acrValues, silent }: AuthorizationChecks,
  parameters: Readonly<Record<string, string>>,
): Promise<Login | null> {
  const configuration = await provider.configuration()
  const expected = {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: codeVerifier,
    idTokenExpected: true,
    // What comes after the password, such as a second factor or a consent, may take minutes, and `auth_time` is often before it.
    ...(maxAge === undefined ? {} : { maxAge: maxAge + Math.max(Date.now() - askedAt, 0) / 1000 }),
  }
  const granted = await authorizationCodeGrant(configuration, callbackUrl, expected, { ...parameters }).catch(
    (error: unknown) => {
      if (silent && error instanceof AuthorizationResponseError && interactionErrors.has(error.error)) return null
      throw refusal(error)
    },
  )
  if (granted === null) return null
  const tokens = readTokenResponse(granted)
  const claims = granted.claims()
  if (claims === undefined || tokens.idToken === null) throw new BffError('login_failed')
  const verdict = await verifyIdToken(provider, tokens.idToken, tokens.accessToken)
  if (verdict.is === 'refused') throw new BffError('login_failed', { cause: new IdTokenRefused(verdict.reason) })
  if (acrValues !== undefined && !acrValues.includes(String(claims['acr']))) {
    throw new BffError('login_failed', { cause: new IdTokenRefused('acr') })
  }
  return { tokens, claims }
}

function refusal(error: unknown): BffError {
  if (error instanceof AuthorizationResponseError) {
    if (error.error === 'access_denied') return new BffError('login_denied', { cause: refusalIn(error) })
    if (error.error === 'temporarily_unavailable' || error.error === 'server_error') return unreachable(error)
  }
  return isOutage(error) ? unreachable(error) : new BffError('login_failed', { cause: refusalIn(error) })
}
