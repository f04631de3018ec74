import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import type { JwtVerdict } from './issuer-keys.ts'
import type { Provider } from './provider.ts'

/**
 * What openid-client leaves out when it checks an ID token: its signature, by an algorithm of our list (OpenID Connect
 * Core 1.0, section 3.1.3.7), and that it belongs to the access token beside it (`at_hash`, section 3.1.3.8).
 * @throws BffError `provider_unreachable` when the keys cannot be had
 */
export async function verifyIdToken(
  provider: Provider,
  idToken: string,
  accessToken: string | null,
): Promise<JwtVerdict> {
  const verdict = await provider.verifyJwt(idToken, ['sub', 'exp', 'iat'])
  if (verdict.is === 'refused') return verdict
  const { sub, at_hash } = verdict.claims
  if (sub === '') return { is: 'refused', reason: 'sub' }
  if (at_hash === undefined) return verdict
  const expected = accessToken === null ? null : leftHalfHash(accessToken, verdict.header.alg)
  return at_hash === expected ? verdict : { is: 'refused', reason: 'at_hash' }
}

/** By the hash of the signature's algorithm; SHA-512 for Ed25519, which has no number in its name. */
function leftHalfHash(text: string, alg: string): string {
  const digest = createHash(`sha${/\d{3}$/.exec(alg)?.[0] ?? '512'}`)
    .update(text)
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

/** Whose tokens a session holds, and how that user once signed in. */
export interface ExpectedUser {
  issuer: string
  subject: string
  /** The ID token that the session has so far. */
  idToken: string | null
}

/**
 * Whether an ID token of a refresh speaks of the same user and the same sign-in (Core 1.0, section 12.2), signature aside.
 * `another` user is a reason to end the session; where the rest differs, or cannot be read, the token is not used.
 */
export function compareIdToken(idToken: string, { issuer, subject, idToken: before }: ExpectedUser) {
  try {
    const { iss, sub, nonce, auth_time } = decodeJwt(idToken)
    if (iss !== issuer || sub !== subject) return 'another'
    const first = before === null ? {} : decodeJwt(before)
    const isSame = (claim: unknown, original: unknown) =>
      claim === undefined || original === undefined || claim === original
    return isSame(nonce, first['nonce']) && isSame(auth_time, first['auth_time']) ? 'same' : 'unusable'
  } catch {
    return 'unusable' // unreadable: it names nobody
  }
}
