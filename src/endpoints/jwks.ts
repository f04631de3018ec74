import { type Endpoint, type EndpointParts, sendJson } from './endpoint.ts'

/** Our public keys as a JWK Set (RFC 7517, section 5), for the provider; empty where we have none. */
export function jwks({ options }: EndpointParts): Endpoint {
  const body = { keys: [...options.clientKeys, ...options.decryptionKeys].map(({ publicJwk }) => publicJwk) }
  return async (_request, response) => sendJson(response, body)
}
