import { tokenRevocation } from 'openid-client'
import type { Provider } from './provider.ts'
import { refusalIn } from './provider-refusal.ts'

/**
 * Revokes a refresh token (RFC 7009). A provider without a revocation endpoint has nothing to be asked.
 * @throws whatever went wrong, to be tried again
 */
export async function revokeRefreshToken(provider: Provider, refreshToken: string): Promise<'revoked' | 'unsupported'> {
  const configuration = await provider.configuration()
  if (configuration.serverMetadata().revocation_endpoint === undefined) return 'unsupported'
  await tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' }).catch((error: unknown) => {
    throw refusalIn(error)
  })
  return 'revoked'
}
