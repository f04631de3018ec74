import { isObject } from './json-object.ts'
import type { Provider } from './provider.ts'

/** A member of `events` says that a JWT is a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4). */
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/** The token is not taken later than this after it was issued. */
const maxAgeSeconds = 300

/** How far the provider's clock may be ahead of ours. */
const toleranceSeconds = 30

/** For how long a token may be shown to us and be taken: one that is noted for so long is taken once. */
export const logoutTokenLifeMs = (maxAgeSeconds + 2 * toleranceSeconds) * 1000

/** What a logout token says. Of `subject` and `sid` at least one is there. */
export interface LogoutToken {
  issuer: string
  subject: string | null
  sid: string | null
  /** Names this token (`jti`). */
  id: string
  /** Seconds by the provider's clock. */
  issuedAt: number
}

/** `reason` is for the log, and no text of the token's. */
export type LogoutTokenVerdict = { is: 'valid'; token: LogoutToken } | { is: 'refused'; reason: string }

/**
 * Validates a logout token (section 2.6), all but whether it has been seen before.
 * @throws BffError `provider_unreachable` when the provider's keys cannot be had
 */
export async function readLogoutToken(provider: Provider, jwt: string): Promise<LogoutTokenVerdict> {
  const opening = await provider.openJwt(jwt)
  if (opening.is === 'refused') return opening
  // `exp` is checked where it is there: it has been required since 2023 only, and Ory Hydra, for one, leaves it out. The age
  // by `iat` is the tighter limit.
  const verdict = await provider.verifyJwt(opening.jwt, ['iss', 'aud', 'iat', 'jti', 'events'])
  if (verdict.is === 'refused') return verdict
  const { claims, header } = verdict
  const { iss: issuer = '', jti: id, iat: issuedAt = 0, sub: subject, events } = claims
  const sid = claims['sid']
  const age = Date.now() / 1000 - issuedAt

  if (!isType(header.typ)) return refused('typ')
  if (age > maxAgeSeconds + toleranceSeconds || age < -toleranceSeconds) return refused('iat')
  if (!isObject(events) || !isObject(events[logoutEvent])) return refused('events')
  // So that no ID token is ever taken for one.
  if (Object.hasOwn(claims, 'nonce')) return refused('nonce')
  if (!isName(id)) return refused('jti')
  if (subject === undefined && sid === undefined) return refused('sub_and_sid')
  if (subject !== undefined && !isName(subject)) return refused('sub')
  if (sid !== undefined && !isName(sid)) return refused('sid')
  return { is: 'valid', token: { issuer, subject: subject ?? null, sid: sid ?? null, id, issuedAt } }
}

function refused(reason: string): LogoutTokenVerdict {
  return { is: 'refused', reason }
}

/** Its own type (section 2.4), none, or the one that says no more than that it is a JWT (RFC 7519, section 5.1). */
function isType(typ: unknown): boolean {
  if (typ === undefined) return true
  return typeof typ === 'string' && /^(application\/)?(logout\+jwt|jwt)$/i.test(typ)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
