import { AuthorizationResponseError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'

/**
 * What a provider may say when it refuses: RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6;
 * RFC 7009, section 2.2.1; RFC 8707, section 2; Unmet Authentication Requirements 1.0, section 2.
 */
const known: ReadonlySet<unknown> = new Set([
  ...['invalid_request', 'unauthorized_client', 'access_denied', 'unsupported_response_type', 'invalid_scope'],
  ...['server_error', 'temporarily_unavailable', 'invalid_client', 'invalid_grant', 'unsupported_grant_type'],
  ...['interaction_required', 'login_required', 'account_selection_required', 'consent_required'],
  ...['invalid_request_uri', 'invalid_request_object', 'request_not_supported', 'request_uri_not_supported'],
  ...['registration_not_supported', 'unsupported_token_type', 'invalid_target', 'unmet_authentication_requirements'],
])

/**
 * A refusal by its code, for the log.
 * @param error what openid-client threw; returned as it is where it is no refusal, or has no code of the standards
 */
export function refusalIn(error: unknown): unknown {
  const code = knownErrorCode(saidIn(error))
  return code === null ? error : new ProviderRefusal(code, { cause: error })
}

/** @param value the member `error` of an answer; `null` where it is none that the standards know */
export function knownErrorCode(value: unknown): string | null {
  return typeof value === 'string' && known.has(value) ? value : null
}

function saidIn(error: unknown): unknown {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) return error.error
  // RFC 6749, section 5.2: of all refusals this one alone may come with 401 and a challenge.
  return error instanceof WWWAuthenticateChallengeError && error.status === 401 ? 'invalid_client' : undefined
}

/** The provider said no. The code is one of the standards' own, and so may stand in the log. */
class ProviderRefusal extends Error {
  override readonly name = 'ProviderRefusal'
  readonly code: string

  constructor(code: string, options: ErrorOptions) {
    super('the provider refused', options)
    this.code = code
  }
}
