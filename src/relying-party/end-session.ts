import { decodeJwt } from 'jose'
import { buildEndSessionUrl, type Configuration } from 'openid-client'
import type { Provider } from './provider.ts'

/** Whose session at the provider is to end. */
export interface LoggedInUser {
  subject: string
  idToken: string | null
}

/** Longer hints, in characters, are not put into an address: servers commonly read no more than 8 KB of one. */
const longestHint = 6_000

/**
 * Where to send the browser to log out at the provider (OpenID Connect RP-Initiated Logout 1.0, section 2).
 * @param hint `id_token` puts the ID token into the address; without it the user is named by `logout_hint`. What is too
 * long for an address is left out: no hint is required
 * @returns `null` when the provider has no such address, or cannot be asked whether it has
 */
export async function endSessionUrl(
  provider: Provider,
  user: LoggedInUser,
  hint: 'id_token' | 'subject',
  returnTo: string,
  state: string,
): Promise<string | null> {
  const configuration = await provider.configuration().catch(() => null)
  if (configuration === null) return null
  const own = ownLogoutUrl(provider, configuration, returnTo)
  if (own !== null) return own
  if (configuration.serverMetadata().end_session_endpoint === undefined) return null
  const { idToken } = user
  const hints: Record<string, string>[] = [{ logout_hint: nameOf(user) }]
  if (hint === 'id_token' && idToken !== null) hints.unshift({ id_token_hint: idToken })
  const fitting = hints.find((one) => String(new URLSearchParams(one)).length <= longestHint)
  return buildEndSessionUrl(configuration, { ...fitting, post_logout_redirect_uri: returnTo, state }).href
}

/** The address of a provider's own logout; `null` where it has none, or the standard's serves. */
function ownLogoutUrl({ profile }: Provider, configuration: Configuration, returnTo: string): string | null {
  const { issuer, end_session_endpoint: endpoint } = configuration.serverMetadata()
  if (profile.logout === null) return null
  const { path, returnParameter } = profile.logout
  if (path !== null && endpoint !== undefined) return null
  const address = path === null ? endpoint : new URL(path, issuer.endsWith('/') ? issuer : `${issuer}/`)
  if (address === undefined) return null
  const url = new URL(address)
  url.searchParams.set('client_id', configuration.clientMetadata().client_id)
  url.searchParams.set(returnParameter, returnTo)
  return url.href
}

/** What `logout_hint` means is the provider's to say; where it has a session id, that is what it knows best. */
function nameOf({ subject, idToken }: LoggedInUser): string {
  try {
    const { sid } = decodeJwt(idToken ?? '')
    return typeof sid === 'string' ? sid : subject
  } catch {
    return subject
  }
}
