import { createHash } from 'node:crypto'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'

/** What the API learned from a valid access token. */
export interface ApiCaller {
  sub: string
  scope: ReadonlySet<string>
  /** First eight digits of a hash of the token's id: tells tokens apart, and is of no use to anybody. */
  fingerprint: string
  /** Unix time in seconds. */
  expiresAt: number
}

/** Why a request has no caller. */
export type Refusal = 'missing' | 'invalid' | 'provider_unreachable'

/** Checks bearer tokens (RFC 6750) that are JWTs (RFC 9068): signature, type, algorithm, issuer, audience, expiry. */
export function createTokenCheck(issuer: string, audience: string) {
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined

  // Asked for at the first request, so that API and provider may start in any order.
  async function discoverKeys(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    if (keys) return keys
    const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5000) })
    const metadata: unknown = await answer.json()
    if (!isMetadata(metadata) || metadata.issuer !== issuer) throw new Error('the issuer does not describe itself')
    // A provider that was restarted has new keys: look again at most once a second.
    keys = createRemoteJWKSet(new URL(metadata.jwks_uri), { cooldownDuration: 1000 })
    return keys
  }

  return async (authorization: string | undefined): Promise<ApiCaller | Refusal> => {
    const token = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) return 'missing'
    try {
      const { payload } = await jwtVerify(token, await discoverKeys(), {
        issuer,
        audience,
        algorithms: ['RS256'],
        typ: 'at+jwt',
        requiredClaims: ['sub', 'exp', 'iat', 'jti'],
      })
      return describeCaller(payload)
    } catch (error) {
      return isTokensFault(error) ? 'invalid' : 'provider_unreachable'
    }
  }
}

function describeCaller(payload: JWTPayload): ApiCaller {
  const scope = typeof payload.scope === 'string' ? payload.scope : ''
  return {
    sub: payload.sub ?? '',
    scope: new Set(scope.split(' ').filter(Boolean)),
    fingerprint: createHash('sha256')
      .update(payload.jti ?? '')
      .digest('hex')
      .slice(0, 8),
    expiresAt: payload.exp ?? 0,
  }
}

/** Everything else is the way to the keys. */
function isTokensFault(error: unknown): boolean {
  return (
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported
  )
}

function isMetadata(value: unknown): value is { issuer: string; jwks_uri: string } {
  if (typeof value !== 'object' || value === null) return false
  return 'issuer' in value && 'jwks_uri' in value && typeof value.jwks_uri === 'string'
}
