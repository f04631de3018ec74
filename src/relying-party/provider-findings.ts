import type { Options, Route } from '../options.ts'
import { paths } from '../wire.ts'
import { clientAuthMethod } from './client-authentication.ts'
import { clientGrant } from './client-credentials.ts'
import { asymmetric, bySecret, clockToleranceSeconds } from './issuer-keys.ts'
import { providerProfiles } from './provider-profiles.ts'
import { exchangeGrant } from './token-exchange.ts'

/** One line of `coatcheck check`: what was found and, unless it is fine, what to do. */
export interface Finding {
  is: 'ok' | 'warning' | 'problem'
  says: string
}

/** What the provider says of itself (OpenID Connect Discovery 1.0, section 3), as it came. */
export type ProviderDocument = Readonly<Record<string, unknown>>

/** Seconds that a `Date` header may be off although the clocks agree: it is cut to a second, and took its time. */
const dateInexactness = 2

/** Compares what the provider says with what we are configured to do, a line for each subject. */
export function compareWithProvider(options: Options, metadata: ProviderDocument): Finding[] {
  return comparisons.flatMap((compare) => compare(options, metadata))
}

/** What has to be entered at the provider, whatever it says. */
export function findAddresses({ publicUrl, basePath, clientKeys, decryptionKeys }: Options): Finding[] {
  const at = (path: string) => `${publicUrl}${basePath}${path}`
  return [
    ok(`to register there, redirect URI: ${at(paths.callback)}`),
    ok(`to register there, post-logout redirect URI: ${at(paths.logoutCallback)}`),
    ok(`to register there, back-channel logout URI: ${at(paths.backchannel)}`),
    ...(clientKeys.length + decryptionKeys.length > 0 ? [ok(`to register there, JWK Set URI: ${at(paths.jwks)}`)] : []),
  ]
}

/** @param keySet what `jwks_uri` yields, `null` when that cannot be used */
export function findKeys(
  { clientSecret }: Options,
  metadata: ProviderDocument,
  keySet: ProviderDocument | null,
): Finding {
  const algorithms = listOf(metadata, 'id_token_signing_alg_values_supported') ?? ['RS256']
  const byKey = algorithms.filter((alg) => asymmetric.has(alg))
  const keys = listOf(keySet ?? {}, 'keys') ?? []
  if (byKey.length > 0 && keys.length > 0) return ok(`keys: ${keys.length}, for ${byKey.join(', ')}`)
  if (byKey.length > 0) return problem('keys: jwks_uri yields none, and ID tokens cannot be verified')
  if (clientSecret !== undefined && algorithms.some((alg) => bySecret.has(alg))) {
    return warning('keys: ID tokens are signed with the client secret; let the provider sign with a key pair')
  }
  return problem('keys: ID tokens are signed in no way that can be verified; set RS256 there')
}

/** @param date the `Date` header of an answer that has just come */
export function findClock(date: string | null): Finding {
  const seconds = Math.round(Math.abs(Date.now() - Date.parse(date ?? '')) / 1000)
  if (Number.isNaN(seconds)) return warning("clock: the provider's answer has no Date")
  if (seconds <= dateInexactness) return ok("clock: the provider's and ours agree")
  const found = `clock: the provider's and ours are ${seconds} s apart; set this machine's by NTP`
  return seconds <= clockToleranceSeconds ? warning(found) : problem(found)
}

export const ok = (says: string): Finding => ({ is: 'ok', says })
export const problem = (says: string): Finding => ({ is: 'problem', says })
const warning = (says: string): Finding => ({ is: 'warning', says })

type Comparison = (options: Options, metadata: ProviderDocument) => Finding | Finding[]

const issuer: Comparison = (options, { issuer: said }) =>
  said === options.issuer
    ? ok(`issuer: ${options.issuer}`)
    : problem(`issuer: it calls itself ${JSON.stringify(said)}; set BFF_ISSUER to exactly that`)

const pkce: Comparison = (_options, metadata) =>
  listOf(metadata, 'code_challenge_methods_supported')?.includes('S256')
    ? ok('PKCE: S256')
    : warning('PKCE: it does not say that it checks S256, which is sent all the same')

const scope: Comparison = (options, metadata) => {
  const { offlineAccess } = providerProfiles[options.provider]
  if (!options.scope.split(' ').includes('offline_access')) {
    return warning(
      'scope: offline_access is not in BFF_SCOPE; without a refresh token sessions end with the access token',
    )
  }
  // What is not listed may be there all the same (section 3), and where nothing is listed nothing can be said.
  return (listOf(metadata, 'scopes_supported') ?? ['offline_access']).includes('offline_access')
    ? ok(`scope: ${options.scope}`)
    : warning(`scope: offline_access is not among those it lists; for refresh tokens ${offlineAccess}`)
}

const grant: Comparison = (options, metadata) => {
  const { offlineAccess, rotation } = providerProfiles[options.provider]
  return listOf(metadata, 'grant_types_supported')?.includes('refresh_token')
    ? ok(`refresh tokens: granted; ${rotation}`)
    : warning(`refresh tokens: it does not say that it grants them; ${offlineAccess}`)
}

const routeTokens: Comparison = ({ routes }, metadata) => {
  // Where nothing is listed, as at some that grant all of them, nothing can be said.
  const granted = listOf(metadata, 'grant_types_supported')
  if (granted === null) return []
  return [...Map.groupBy(routes, grantOf)].flatMap(([grantType, those]) => {
    if (grantType === null) return []
    const found = `tokens of ${those.map(({ path }) => path).join(', ')}: by ${grantType}`
    if (granted.includes(grantType)) return ok(found)
    return problem(`${found}, which is not among ${granted.join(', ')}; switch it on there, or these calls fail`)
  })
}

const clientAuthentication: Comparison = (options, metadata) => {
  const offered = listOf(metadata, 'token_endpoint_auth_methods_supported') ?? ['client_secret_basic']
  const method = clientAuthMethod(options, offered)
  if (!offered.includes(method)) {
    const others = offered.join(', ')
    return problem(`client authentication: ${method} is not among ${others}; set BFF_CLIENT_AUTH or BFF_CLIENT_KEYS`)
  }
  const [key] = options.clientKeys
  const algorithms = listOf(metadata, 'token_endpoint_auth_signing_alg_values_supported')
  if (method !== 'private_key_jwt' || key === undefined || algorithms === null)
    return ok(`client authentication: ${method}`)
  const { alg } = key.publicJwk
  return algorithms.includes(alg)
    ? ok(`client authentication: ${method}, ${alg}`)
    : problem(`client authentication: the first key signs with ${alg}, which is not among ${algorithms.join(', ')}`)
}

const encryption: Comparison = ({ decryptionKeys }, metadata) => {
  if (decryptionKeys.length === 0) return []
  const offered = listOf(metadata, 'id_token_encryption_alg_values_supported')
  if (offered === null) return warning('encryption: it does not say that it encrypts ID tokens; others are refused')
  const common = offered.filter((alg) => decryptionKeys.some(({ algorithms }) => algorithms.includes(alg)))
  return common.length > 0
    ? ok(`encryption: ID tokens, by ${common.join(', ')}`)
    : problem(`encryption: no key of BFF_DECRYPTION_KEYS is for any of ${offered.join(', ')}`)
}

const audience: Comparison = ({ provider, authorizationParams }) =>
  providerProfiles[provider].needsAudience && authorizationParams['audience'] === undefined
    ? warning('audience: BFF_AUTHORIZATION_PARAMS has none; name the API that access tokens are for')
    : []

const pushed: Comparison = ({ pushedAuthorization }, metadata) => {
  if (metadata['pushed_authorization_request_endpoint'] !== undefined) return ok('pushed authorization requests: used')
  if (pushedAuthorization === 'offered') return []
  return problem('pushed authorization requests: not offered; take BFF_PUSHED_AUTHORIZATION away, or no login succeeds')
}

const logout: Comparison = ({ provider }, metadata) => {
  const { logout: own } = providerProfiles[provider]
  if (metadata['end_session_endpoint'] !== undefined) return ok('logout: ends the session at the provider too')
  if (own !== null && own.path !== null)
    return ok(`logout: ends the session at the provider too, by its own /${own.path}`)
  return warning('logout: there is no end_session_endpoint; the session at the provider goes on')
}

const backChannel: Comparison = (_options, metadata) =>
  metadata['backchannel_logout_supported'] === true
    ? ok('back-channel logout: offered')
    : warning('back-channel logout: not offered; a logout elsewhere is noticed when a refresh is refused')

const comparisons: readonly Comparison[] = [
  issuer,
  pkce,
  scope,
  grant,
  routeTokens,
  clientAuthentication,
  encryption,
  audience,
  pushed,
  logout,
  backChannel,
]

/** How a route's own access token is asked for, `null` where the session's own or none goes along. */
function grantOf({ token, accessToken, exchange }: Route): string | null {
  if (token === 'client') return clientGrant
  if (exchange !== undefined) return exchangeGrant
  return accessToken === undefined ? null : 'refresh_token'
}

/** `null` where the provider does not say. */
function listOf(document: ProviderDocument, name: string): readonly string[] | null {
  const value = document[name]
  return Array.isArray(value) ? value.map(String) : null
}
