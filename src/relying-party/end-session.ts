import { buildEndSessionUrl } from 'openid-client'
import type { Provider } from './provider.ts'

/** How the provider is told whose session to end (OpenID Connect RP-Initiated Logout 1.0, section 2). */
export type LogoutHint = { id_token_hint: string } | { logout_hint: string }

/**
 * Where to send the browser to log out at the provider.
 * @returns `null` when the provider has no end_session_endpoint, or cannot be asked whether it has
 */
export async function endSessionUrl(
  provider: Provider,
  hint: LogoutHint,
  postLogoutRedirectUri: string,
  state: string,
): Promise<string | null> {
  const configuration = await provider.configuration().catch(() => null)
  if (configuration?.serverMetadata().end_session_endpoint === undefined) return null
  const parameters = { ...hint, post_logout_redirect_uri: postLogoutRedirectUri, state }
  return buildEndSessionUrl(configuration, parameters).href
}
