import { fetchUserInfo } from 'openid-client'
import type { Provider } from './provider.ts'

/**
 * Claims from the userinfo endpoint (OpenID Connect Core 1.0, section 5.3), whose `sub` must be the given one.
 * @returns nothing when the provider has no such endpoint
 * @throws whatever went wrong; a login can do without
 */
export async function userinfoClaims(
  provider: Provider,
  accessToken: string,
  subject: string,
): Promise<Readonly<Record<string, unknown>>> {
  const configuration = await provider.configuration()
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  return fetchUserInfo(configuration, accessToken, subject)
}
