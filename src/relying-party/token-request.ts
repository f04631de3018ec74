import { genericGrantRequest, ResponseBodyError, type TokenEndpointResponse } from 'openid-client'
import type { Provider } from './provider.ts'
import { refusalIn } from './provider-refusal.ts'
import { type IssuedTokens, readTokenResponse } from './token-response.ts'

/** What a token request that presents no refresh token comes to; it may be repeated. */
export type TokenAnswer =
  | { is: 'issued'; tokens: IssuedTokens & { accessToken: string } }
  /** The provider gives no token for what was asked. */
  | { is: 'not_granted'; cause: unknown }
  /** It is away, or answers with anything else. */
  | { is: 'failed'; cause: unknown }

/** By which a provider refuses what a token is asked for (RFC 8707, section 2; RFC 6749, section 5.2). */
const targetErrors: ReadonlySet<unknown> = new Set(['invalid_target', 'invalid_scope'])

/**
 * Asks for an access token by a grant of its own (RFC 6749, section 4.4 and 4.5). Never throws: whatever happens has a class.
 * @param isUsable what the answer must say beside a bearer token
 */
export async function requestToken(
  provider: Provider,
  grantType: string,
  parameters: Readonly<Record<string, string>>,
  isUsable: (granted: TokenEndpointResponse) => boolean = () => true,
): Promise<TokenAnswer> {
  try {
    const granted = await genericGrantRequest(await provider.configuration(), grantType, { ...parameters })
    const tokens = readTokenResponse(granted)
    const { accessToken } = tokens
    if (accessToken !== null && granted.token_type === 'bearer' && isUsable(granted)) {
      return { is: 'issued', tokens: { ...tokens, accessToken } }
    }
    return { is: 'failed', cause: undefined }
  } catch (cause) {
    const isNo = cause instanceof ResponseBodyError && targetErrors.has(cause.error)
    return { is: isNo ? 'not_granted' : 'failed', cause: refusalIn(cause) }
  }
}
