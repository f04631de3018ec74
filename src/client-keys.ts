import type { KeyObject, webcrypto } from 'node:crypto'
import { type PrivateKey, readPrivateKeys } from './private-keys.ts'

/** A key of ours that the provider knows us by (`private_key_jwt`, OpenID Connect Core 1.0, section 9). */
export interface ClientKey {
  kid: string
  privateKey: CryptoKey
  /** Names the certificate that the provider knows the key by (RFC 7515, section 4.1.8), where the key's JWK does. */
  certificateThumbprint: string | undefined
  /** The public half alone, as our JWK Set shows it (RFC 7517). */
  publicJwk: webcrypto.JsonWebKey & { kid: string; alg: string; use: 'sig' }
}

const algorithms: Readonly<Record<string, { name: string; hash?: string; namedCurve?: string }>> = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  ES512: { name: 'ECDSA', namedCurve: 'P-521' },
}

const algorithmOfCurve: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }

/**
 * Reads the private keys that sign, in the forms of `readPrivateKeys`. RSA keys sign with RS256 unless their JWK says
 * PS256.
 * @returns the keys in their order, or in one sentence what is wrong with them; no part of a key is repeated in it
 */
export function readClientKeys(text: string): readonly ClientKey[] | string {
  const given = readPrivateKeys(text)
  if (typeof given === 'string') return given
  const keys = given.flatMap((key) => signingKey(key) ?? [])
  if (keys.length === given.length) return keys
  return `has a key that cannot sign; RSA and EC keys can, with ${Object.keys(algorithms).join(', ')}`
}

function signingKey({ key, kid, alg: said, certificateThumbprint, publicJwk }: PrivateKey): ClientKey | null {
  const { kty, crv = '' } = publicJwk
  const alg = said ?? (kty === 'RSA' ? 'RS256' : (algorithmOfCurve[crv] ?? ''))
  const privateKey = cryptoKeyOf(key, alg)
  if (privateKey === null) return null
  return { kid, privateKey, certificateThumbprint, publicJwk: { ...publicJwk, kid, alg, use: 'sig' } }
}

function cryptoKeyOf(key: KeyObject, alg: string): CryptoKey | null {
  const algorithm = algorithms[alg]
  try {
    // `as`: one class, whose two declarations (Node's and the browser's) differ in what else a key may be used for.
    return algorithm === undefined ? null : (key.toCryptoKey(algorithm, false, ['sign']) as CryptoKey)
  } catch {
    return null // of another type than its `alg` says
  }
}
