import type { KeyObject, webcrypto } from 'node:crypto'
import { type PrivateKey, readPrivateKeys } from './private-keys.ts'

/** A key of ours that the provider encrypts for (OpenID Connect Core 1.0, section 10.2). */
export interface DecryptionKey {
  kid: string
  privateKey: KeyObject
  /** By which it may be used (RFC 7518, section 4.1). */
  algorithms: readonly string[]
  /** The public half alone, as our JWK Set shows it (RFC 7517). */
  publicJwk: webcrypto.JsonWebKey & { kid: string; use: 'enc' }
}

const byRsa = ['RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512', 'RSA-OAEP']
const byAgreement = ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW']

/** By type of key, as Node.js names it. RSA1_5 is not among them: who may ask often enough can read what it hides. */
const algorithmsOf: Readonly<Record<string, readonly string[]>> = { rsa: byRsa, ec: byAgreement, x25519: byAgreement }

/**
 * Reads the private keys that open what was encrypted for us, in the forms of `readPrivateKeys`. A JWK with `alg` is used
 * by that alone.
 * @returns the keys in their order, or in one sentence what is wrong with them; no part of a key is repeated in it
 */
export function readDecryptionKeys(text: string): readonly DecryptionKey[] | string {
  const given = readPrivateKeys(text)
  if (typeof given === 'string') return given
  const keys = given.flatMap((key) => decryptionKey(key) ?? [])
  if (keys.length === given.length) return keys
  return `has a key that cannot decrypt; RSA, EC and X25519 keys can, by ${[...byRsa, ...byAgreement].join(', ')}`
}

function decryptionKey({ key, kid, alg, publicJwk }: PrivateKey): DecryptionKey | null {
  const possible = algorithmsOf[key.asymmetricKeyType ?? ''] ?? []
  const algorithms = possible.filter((name) => alg === undefined || alg === name)
  if (algorithms.length === 0) return null
  const shown = { ...publicJwk, kid, use: 'enc' as const }
  return { kid, privateKey: key, algorithms, publicJwk: alg === undefined ? shown : { ...shown, alg } }
}
