import { isObject } from './json-object.ts'

/** Access tokens longer than this would not fit into a request header of common servers. */
const maxAccessTokenLength = 16_384

const maxLifeSeconds = 10 * 365 * 24 * 3600

/** What the provider issued, as far as it is usable. */
export interface IssuedTokens {
  /** `null` when there is none that could be sent in a header. */
  accessToken: string | null
  /** Seconds; `null` when not said, or nothing that makes sense. */
  expiresIn: number | null
  refreshToken: string | null
  /** Seconds; `null` when not said, as RFC 6749 has no word for it, or when it has no end. */
  refreshExpiresIn: number | null
  idToken: string | null
  /** What was granted, separated by spaces; `null` when not said, which means: what was asked for. */
  scope: string | null
}

/**
 * Reads a token response (RFC 6749, section 5.1) for what can be used of it. More forgiving than a validator on
 * purpose: a rotated refresh token must not be lost because something beside it is wrong.
 */
export function readTokenResponse(body: unknown): IssuedTokens {
  const response: { [member: string]: unknown } = isObject(body) ? body : {}
  const { access_token, expires_in, refresh_token, refresh_expires_in, refresh_token_expires_in, id_token, scope } =
    response
  return {
    accessToken: isSendable(access_token) && access_token.length <= maxAccessTokenLength ? access_token : null,
    expiresIn: readSeconds(expires_in),
    refreshToken: isRefreshToken(refresh_token) ? refresh_token : null,
    // The first is Keycloak's word, where 0 stands for no end; the second that of several others.
    refreshExpiresIn: readSeconds(refresh_expires_in) ?? readSeconds(refresh_token_expires_in),
    idToken: isSendable(id_token) ? id_token : null,
    scope: typeof scope === 'string' ? scope : null,
  }
}

/** Visible ASCII: what can be put into a header (RFC 6750, section 2.1) and not break out of it. */
function isSendable(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
}

/** RFC 6749, appendix A.17: VSCHAR, which has the space. It goes into a form, never into a header. */
function isRefreshToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
}

function readSeconds(value: unknown): number | null {
  const seconds = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof seconds === 'number' && seconds > 0 ? Math.min(seconds, maxLifeSeconds) : null
}
