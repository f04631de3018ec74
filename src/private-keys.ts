import { createHash, createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'

/** A private key that the operator gave us, for whatever use. */
export interface PrivateKey {
  /** As given, or its thumbprint (RFC 7638). */
  kid: string
  /** What its JWK says it is for. */
  alg: string | undefined
  /** Names the certificate that the provider knows it by (RFC 7515, section 4.1.8), where its JWK does. */
  certificateThumbprint: string | undefined
  key: KeyObject
  /** The public half alone. */
  publicJwk: webcrypto.JsonWebKey
}

type Jwk = webcrypto.JsonWebKey & { kid?: unknown; 'x5t#S256'?: unknown }

/** RFC 7518, sections 3.3 and 4.3. */
const leastRsaBits = 2048

/**
 * Reads private keys: PEM (PKCS #8, PKCS #1 or SEC 1, one after another, with anything else between them), a JWK, or a
 * JWK Set. A key without `kid` is named by its thumbprint.
 * @returns the keys in their order, or in one sentence what is wrong with them; no part of a key is repeated in it
 */
export function readPrivateKeys(text: string): readonly PrivateKey[] | string {
  const given = text.trimStart().startsWith('{') ? readJwks(text) : readPems(text)
  if (given === null || given.length === 0) return 'must be private keys in PEM, a JWK or a JWK Set'
  const keys: PrivateKey[] = []
  for (const jwk of given) {
    const key = readKey(jwk)
    if (typeof key === 'string') return key
    if (keys.some(({ kid }) => kid === key.kid)) return 'has two keys with one kid'
    keys.push(key)
  }
  return keys
}

function readJwks(text: string): Jwk[] | null {
  try {
    const parsed: { keys?: unknown } = JSON.parse(text)
    const list: unknown[] = Array.isArray(parsed.keys) ? parsed.keys : [parsed]
    return list.every((entry) => typeof entry === 'object' && entry !== null) ? list : null
  } catch {
    return null
  }
}

function readPems(text: string): Jwk[] | null {
  try {
    const blocks = text.match(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]+-----END \1-----/g) ?? []
    return blocks.map((pem) => createPrivateKey(pem).export({ format: 'jwk' }))
  } catch {
    return null
  }
}

function readKey(jwk: Jwk): PrivateKey | string {
  const key = privateKeyOf(jwk)
  if (key === null) return 'has a key that is not a private RSA or EC key'
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < leastRsaBits) return `has an RSA key of ${bits} bits; ${leastRsaBits} are the least`
  const publicJwk = createPublicKey(key).export({ format: 'jwk' })
  return {
    kid: textOf(jwk.kid) ?? thumbprint(publicJwk),
    alg: textOf(jwk.alg),
    certificateThumbprint: textOf(jwk['x5t#S256']),
    key,
    publicJwk,
  }
}

function privateKeyOf(jwk: Jwk): KeyObject | null {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    return null
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** RFC 7638: a hash of the members that make the key, in alphabetical order. */
function thumbprint({ crv, e, kty, n, x, y }: Jwk): string {
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
