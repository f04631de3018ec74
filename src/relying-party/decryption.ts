import { compactDecrypt, decodeProtectedHeader } from 'jose'
import type { DecryptionKey } from '../decryption-keys.ts'
import { IdTokenRefused } from './id-token-refused.ts'
import type { Fetch } from './provider-http.ts'

/** What lies in an encrypted JWT. `refused` has a reason for the log, which is no text of the JWT's. */
export type JwtOpening = { is: 'opened'; jwt: string } | { is: 'refused'; reason: string }

/**
 * Opens a JWT that was encrypted for us (RFC 7516). What lies in it has still to be verified: everybody knows the key that
 * it was encrypted with. Where there is no key of ours it is left as it came, and where there is one an open JWT is refused
 * (OpenID Connect Core 1.0, section 3.1.3.7; Back-Channel Logout 1.0, section 2.6).
 */
export type OpenJwt = (jwt: string) => Promise<JwtOpening>

/** RFC 7518, section 5.1: all of them are authenticated. */
const contentEncryptionAlgorithms = ['128', '192', '256'].flatMap((bits) => [
  `A${bits}GCM`,
  `A${bits}CBC-HS${Number(bits) * 2}`,
])

export function createJwtOpener(keys: readonly DecryptionKey[]): OpenJwt {
  if (keys.length === 0) return async (jwt) => ({ is: 'opened', jwt })
  return async (jwt) => {
    if (jwt.split('.').length !== 5) return { is: 'refused', reason: 'not_encrypted' }
    for (const { privateKey, algorithms } of meant(keys, jwt)) {
      const options = { keyManagementAlgorithms: [...algorithms], contentEncryptionAlgorithms }
      const opened = await compactDecrypt(jwt, privateKey, options).catch(() => null)
      if (opened !== null) return { is: 'opened', jwt: Buffer.from(opened.plaintext).toString() }
    }
    return { is: 'refused', reason: 'undecryptable' }
  }
}

/** The key that the header names, or all that could be meant. */
function meant(keys: readonly DecryptionKey[], jwt: string): readonly DecryptionKey[] {
  try {
    const { alg = '', kid } = decodeProtectedHeader(jwt)
    return keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || kid === key.kid))
  } catch {
    return []
  }
}

/**
 * A fetch whose token responses bring their ID token as it was before it was encrypted: that is what an `id_token_hint`
 * has to be (Core 1.0, section 3.1.2.1), and what everything else is written for.
 * @throws IdTokenRefused
 */
export function openingFetch(fetch: Fetch, openJwt: OpenJwt): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    const body: unknown = await response
      .clone()
      .json()
      .catch(() => null)
    if (typeof body !== 'object' || body === null || !('id_token' in body)) return response
    const { id_token: idToken } = body
    if (typeof idToken !== 'string') return response
    const opening = await openJwt(idToken)
    if (opening.is === 'refused') throw new IdTokenRefused(opening.reason)
    return Response.json({ ...body, id_token: opening.jwt }, { status: response.status })
  }
}
