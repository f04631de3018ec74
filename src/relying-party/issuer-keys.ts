import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose'
import type { ServerMetadata } from 'openid-client'
import { BffError } from '../errors.ts'
import { type KeptOptions, keepDocument } from './kept-document.ts'
import { ProviderFault } from './provider-fault.ts'

/** Signatures by a key pair of the provider's (RFC 7518, section 3.1; RFC 8037; RFC 9864). */
export const asymmetric: ReadonlySet<string> = new Set(
  ['RS', 'PS', 'ES'].flatMap((family) => ['256', '384', '512'].map((bits) => family + bits)).concat('EdDSA', 'Ed25519'),
)

/** Signatures by the client secret, which whoever publishes keys does not know (OpenID Connect Core 1.0, section 10.1). */
export const bySecret: ReadonlySet<string> = new Set(['HS256', 'HS384', 'HS512'])

/** How far the provider's clock may be off, in seconds. */
export const clockToleranceSeconds = 30

/** What became of a JWT. `refused` has a reason for the log, which is no text of the JWT's. */
export type JwtVerdict =
  | { is: 'verified'; claims: JWTPayload; header: JWTHeaderParameters }
  | { is: 'refused'; reason: string }

/**
 * Checks a JWT that the provider has made for us: signature, by an algorithm that we accept and the provider says it
 * uses; `iss`; `aud`; `azp`, `exp` and `nbf` where they are there.
 * Keys are the provider's own: what a header says of keys (`jku`, `x5u`, `jwk`) is not looked at.
 * @param requiredClaims must be there
 * @throws BffError `provider_unreachable` when the keys cannot be had
 */
export type VerifyJwt = (jwt: string, requiredClaims: readonly string[]) => Promise<JwtVerdict>

export interface IssuerKeysParts {
  clientId: string
  /** Absent where we prove ourselves by other means: then nothing can be signed with it. */
  clientSecret: string | undefined
  /** @throws BffError `provider_unreachable` */
  metadata(): Promise<ServerMetadata>
  /** Gets the text of a JWK set. @throws ProviderFault, ProviderSilent */
  fetchText(url: string): Promise<string>
  /** Told of every fetch that failed; what it returns is thrown. */
  failed(error: unknown): BffError
}

/** The keys are those of the provider's key set (RFC 7517, section 5), fetched when first needed, and anew for a key that is not there. */
export function createJwtVerifier(parts: IssuerKeysParts, ages: KeptOptions): VerifyJwt {
  const secret = parts.clientSecret === undefined ? null : new TextEncoder().encode(parts.clientSecret)
  const keys = keepDocument(async () => {
    const { jwks_uri } = await parts.metadata()
    try {
      return readKeySet(await parts.fetchText(jwks_uri ?? ''))
    } catch (error) {
      throw parts.failed(error)
    }
  }, ages)

  return async (jwt, requiredClaims) => {
    const { issuer, id_token_signing_alg_values_supported: offered = ['RS256'] } = await parts.metadata()
    const verify = async (keySet: () => Promise<KeySet>): Promise<JwtVerdict> => {
      const { payload, protectedHeader } = await jwtVerify(
        jwt,
        async (header, token) =>
          secret !== null && bySecret.has(header.alg) ? secret : (await keySet())(header, token),
        {
          algorithms: offered.filter((alg) => asymmetric.has(alg) || (secret !== null && bySecret.has(alg))),
          issuer,
          audience: parts.clientId,
          requiredClaims: [...requiredClaims],
          clockTolerance: clockToleranceSeconds,
        },
      )
      const { azp = parts.clientId } = payload
      if (azp !== parts.clientId) return { is: 'refused', reason: 'azp' }
      return { is: 'verified', claims: payload, header: protectedHeader }
    }
    try {
      return await verify(keys.current).catch((error: unknown) => {
        if (mayBeNewKey(error, jwt)) return verify(keys.renewed)
        throw error
      })
    } catch (error) {
      if (error instanceof BffError) throw error
      return { is: 'refused', reason: reasonOf(error) }
    }
  }
}

type KeySet = ReturnType<typeof createLocalJWKSet>

/** @throws ProviderFault */
function readKeySet(text: string): KeySet {
  let keySet: { keys?: unknown }
  try {
    keySet = JSON.parse(text)
  } catch (cause) {
    throw new ProviderFault('its key set (jwks_uri) is not JSON', { cause })
  }
  if (Array.isArray(keySet?.keys) && keySet.keys.length === 0)
    throw new ProviderFault('its key set (jwks_uri) is empty')
  try {
    return createLocalJWKSet(keySet as Parameters<typeof createLocalJWKSet>[0]) // it checks what it is given
  } catch (cause) {
    throw new ProviderFault('its key set (jwks_uri) holds something else than keys', { cause })
  }
}

/** The provider may have changed its keys since they were fetched. Where keys have no names, a wrong signature is all one sees. */
function mayBeNewKey(error: unknown, jwt: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true
  return error instanceof errors.JWSSignatureVerificationFailed && decodeProtectedHeader(jwt).kid === undefined
}

/** The library's code, and the name of the claim that is wrong. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
    return `${error.code} ${error.claim}`
  }
  return error instanceof errors.JOSEError ? error.code : 'unusable_key'
}
