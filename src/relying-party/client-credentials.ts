import type { Provider } from './provider.ts'
import { requestToken, type TokenAnswer } from './token-request.ts'

/** As a provider lists it among its grant types. */
export const clientGrant = 'client_credentials'

/**
 * Asks for an access token of our own, for nobody in particular (RFC 6749, section 4.4).
 * @param parameters `resource`, `audience`, `scope`
 */
export function clientCredentials(
  provider: Provider,
  parameters: Readonly<Record<string, string>>,
): Promise<TokenAnswer> {
  return requestToken(provider, clientGrant, parameters)
}
