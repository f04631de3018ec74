import { allowInsecureRequests, customFetch, discovery, type ServerMetadata } from 'openid-client'
import { isLoopbackAddress } from '../provider-options.ts'
import { ProviderFault } from './provider-fault.ts'
import type { Fetch } from './provider-http.ts'

/** What we send browsers to, or ask ourselves, and cannot do without. */
const needed = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const

/** The same, used where the provider has it. */
const optional = [
  'userinfo_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
  'pushed_authorization_request_endpoint',
] as const

/**
 * The provider's metadata (OpenID Connect Discovery 1.0, section 4). Its endpoints may be on any host, but must be https:
 * who has a certificate for it is not an address inside somebody's network. With an http issuer, which is for
 * development, http on loopback addresses will do.
 * @throws ProviderFault, ProviderSilent
 */
export async function discover(issuer: string, clientId: string, fetch: Fetch): Promise<ServerMetadata> {
  const insecure = isInsecure(issuer)
  const found = await discovery(new URL(issuer), clientId, undefined, undefined, {
    [customFetch]: fetch,
    execute: insecure ? [allowInsecureRequests] : [],
  }).catch((error: unknown) => {
    throw faultOf(error)
  })
  const metadata = found.serverMetadata()
  // Section 4.3 asks for the very issuer; openid-client lets one provider's template for all of its tenants pass.
  if (metadata.issuer.includes('{'))
    throw new ProviderFault('it stands for many issuers: configure the one of a tenant')
  for (const name of needed) {
    if (metadata[name] === undefined) throw new ProviderFault(`its metadata lacks ${name}`)
  }
  for (const name of [...needed, ...optional]) {
    const url: unknown = metadata[name]
    if (url !== undefined && !isAcceptable(url, insecure)) throw new ProviderFault(`its ${name} is no https address`)
  }
  return metadata
}

/** Whether the provider is reached without TLS; the options allow that on a loopback address only. */
export function isInsecure(issuer: string): boolean {
  return new URL(issuer).protocol === 'http:'
}

/** What openid-client found wrong with the answer, by its codes. */
const faults: Readonly<Record<string, string>> = {
  OAUTH_RESPONSE_IS_NOT_CONFORM: 'its metadata is not answered with 200',
  OAUTH_RESPONSE_IS_NOT_JSON: 'its metadata is not JSON',
  OAUTH_PARSE_ERROR: 'its metadata is not JSON',
  OAUTH_INVALID_RESPONSE: 'its metadata names no issuer',
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED: 'its metadata names another issuer than the one configured',
}

function faultOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code } = error as Error & { code?: unknown } // read only if of the right type
  const fault = typeof code === 'string' ? faults[code] : undefined
  return fault === undefined ? error : new ProviderFault(fault, { cause: error })
}

function isAcceptable(text: unknown, insecure: boolean): boolean {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : null
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (insecure && url.protocol === 'http:' && isLoopbackAddress(url.hostname))
}
