import { createHash, createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'

type Jwk = webcrypto.JsonWebKey & { kid?: unknown }

/** A key of ours that the provider knows us by (`private_key_jwt`, OpenID Connect Core 1.0, section 9). */
export interface ClientKey {
  kid: string
  privateKey: CryptoKey
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

/** RFC 7518, section 3.3. */
const leastRsaBits = 2048

/**
 * Reads private keys: PEM (PKCS #8, PKCS #1 or SEC 1, one after another, with anything else between them), a JWK, or a
 * JWK Set. RSA keys sign with RS256
 * unless their JWK says PS256; a key without `kid` is named by its thumbprint.
 * @returns the keys in their order, or in one sentence what is wrong with them; no part of a key is repeated in it
 */
export function readClientKeys(text: string): readonly ClientKey[] | string {
  const given = text.trimStart().startsWith('{') ? readJwks(text) : readPems(text)
  if (given === null || given.length === 0) return 'must be private keys in PEM, a JWK or a JWK Set'
  const keys: ClientKey[] = []
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

function readKey(jwk: Jwk): ClientKey | string {
  const key = privateKeyOf(jwk)
  if (key === null) return 'has a key that is not a private RSA or EC key'
  const publicHalf = createPublicKey(key).export({ format: 'jwk' })
  const { kty = '', crv = '' } = publicHalf
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < leastRsaBits) return `has an RSA key of ${bits} bits; ${leastRsaBits} are the least`
  const alg = typeof jwk.alg === 'string' ? jwk.alg : kty === 'RSA' ? 'RS256' : (algorithmOfCurve[crv] ?? '')
  const privateKey = cryptoKeyOf(key, alg)
  if (privateKey === null)
    return `has a key that cannot sign; RSA and EC keys can, with ${Object.keys(algorithms).join(', ')}`
  const kid = typeof jwk.kid === 'string' ? jwk.kid : thumbprint(publicHalf)
  return { kid, privateKey, publicJwk: { ...publicHalf, kid, alg, use: 'sig' } }
}

function privateKeyOf(jwk: Jwk): KeyObject | null {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    return null
  }
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

/** RFC 7638: a hash of the members that make the key, in alphabetical order. */
function thumbprint({ crv, e, kty, n, x, y }: Jwk): string {
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
