import type { Provider } from './provider.ts'
import { requestToken, type TokenAnswer } from './token-request.ts'

/** As a provider lists it among its grant types. */
export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** An access token that is a JWT may be called either (RFC 8693, section 3). */
const usableTypes: ReadonlySet<unknown> = new Set([accessTokenType, 'urn:ietf:params:oauth:token-type:jwt'])

/**
 * Exchanges a user's access token for one that another API takes (RFC 8693, section 2).
 * @param parameters `resource`, `audience`, `scope`
 */
export function exchangeToken(
  provider: Provider,
  subjectToken: string,
  parameters: Readonly<Record<string, string>>,
): Promise<TokenAnswer> {
  const asked = {
    ...parameters,
    subject_token: subjectToken,
    subject_token_type: accessTokenType,
    requested_token_type: accessTokenType,
  }
  return requestToken(provider, exchangeGrant, asked, (granted) => usableTypes.has(granted['issued_token_type']))
}
