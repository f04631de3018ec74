import { ClientError, fetchUserInfo } from 'openid-client'
import { BffError } from '../errors.ts'
import type { Provider } from './provider.ts'

/**
 * Claims from the userinfo endpoint (OpenID Connect Core 1.0, section 5.3), whose `sub` must be the given one.
 * @returns nothing when the provider has no such endpoint
 * @throws BffError `login_failed` for claims of somebody else; whatever else went wrong, a login can do without them
 */
export async function userinfoClaims(
  provider: Provider,
  accessToken: string,
  subject: string,
): Promise<Readonly<Record<string, unknown>>> {
  const configuration = await provider.configuration()
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  return fetchUserInfo(configuration, accessToken, subject).catch((error: unknown) => {
    const isAnother = error instanceof ClientError && error.code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'
    throw isAnother ? new BffError('login_failed', { cause: error }) : error
  })
}
