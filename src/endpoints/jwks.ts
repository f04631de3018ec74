import { type Endpoint, type EndpointParts, sendJson } from './endpoint.ts'

/** Our public keys as a JWK Set (RFC 7517, section 5), for the provider; empty when we authenticate by secret. */
export function jwks({ options }: EndpointParts): Endpoint {
  const body = { keys: options.clientKeys.map(({ publicJwk }) => publicJwk) }
  return async (_request, response) => sendJson(response, body)
}
