import {
  buildAuthorizationUrl,
  buildAuthorizationUrlWithPAR,
  type Configuration,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { LoginParameters } from '../wire.ts'
import { isOutage } from './outage.ts'
import { type Provider, unreachable } from './provider.ts'
import { refusalIn } from './provider-refusal.ts'
import { askedResources } from './resources.ts'

/** What the authorization response will be checked against. Secret until then. */
export interface AuthorizationChecks {
  nonce: string
  codeVerifier: string
  /** Whether the provider was asked to show nothing (`prompt=none`). */
  silent: boolean
  /** Seconds; present when asked for, and then the ID token's `auth_time` is checked. */
  maxAge?: number
  /** By our clock, in ms: how old a sign-in may be is judged by this moment. Absent where an older release began the login. */
  askedAt?: number
  /** What this login was begun for: the ID token's `acr` must be one of them (RFC 9470, section 5). */
  acrValues?: readonly string[]
}

/**
 * Step one of the code flow: where to send the browser. PKCE with S256, state and nonce, always, whatever the
 * provider's metadata says (RFC 9700, section 2.1.1).
 * @param stepUp whether the user is logged in already: then what they ask for is what the login is for
 * @throws BffError `provider_unreachable`; `login_failed` when the provider refuses a pushed request
 */
export async function startAuthorization(
  provider: Provider,
  options: Options,
  redirectUri: string,
  passed: LoginParameters,
  stepUp: boolean,
): Promise<{ url: string; state: string; checks: AuthorizationChecks }> {
  const { scope, authorizationParams, pushedAuthorization } = options
  const configuration = await provider.configuration()
  const state = randomState()
  const nonce = randomNonce()
  const codeVerifier = randomPKCECodeVerifier()
  const maxAge = smallestMaxAge(authorizationParams['max_age'], passed.max_age)
  const asked = { ...authorizationParams, ...passed, ...(maxAge === undefined ? {} : { max_age: String(maxAge) }) }
  const parameters = new URLSearchParams({
    ...asked,
    scope,
    redirect_uri: redirectUri,
    response_type: 'code',
    state,
    nonce,
    code_challenge: await calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
  })
  parameters.delete('resource')
  for (const resource of askedResources(options)) parameters.append('resource', resource)
  const url = await addressOf(configuration, pushedAuthorization, parameters)
  const checks: AuthorizationChecks = { nonce, codeVerifier, silent: asked['prompt'] === 'none', askedAt: Date.now() }
  if (maxAge !== undefined) checks.maxAge = maxAge
  // Otherwise a wish, as Core 1.0, section 3.1.2.1 has it: providers that know none ignore it, or mean something else.
  if (stepUp && passed.acr_values !== undefined) checks.acrValues = passed.acr_values.split(' ')
  return { url: url.href, state, checks }
}

/** Where the provider takes pushed requests they are pushed, and the browser carries a reference (RFC 9126). */
async function addressOf(
  configuration: Configuration,
  pushed: Options['pushedAuthorization'],
  parameters: URLSearchParams,
): Promise<URL> {
  const { pushed_authorization_request_endpoint: endpoint } = configuration.serverMetadata()
  if (pushed === 'offered' && endpoint === undefined) return buildAuthorizationUrl(configuration, parameters)
  try {
    return await buildAuthorizationUrlWithPAR(configuration, parameters)
  } catch (error) {
    throw isOutage(error) ? unreachable(error) : new BffError('login_failed', { cause: refusalIn(error) })
  }
}

/** A browser may ask for a fresher login than the operator demands, not for an older one. */
function smallestMaxAge(...values: (string | undefined)[]): number | undefined {
  const seconds = values.flatMap((value) => (value === undefined ? [] : [Number(value)]))
  return seconds.length === 0 ? undefined : Math.min(...seconds)
}
