import { BffError } from '../errors.ts'
import { type Endpoint, type EndpointParts, queryOf } from './endpoint.ts'

/**
 * The provider's logout page shows this in a frame (OpenID Connect Front-Channel Logout 1.0, section 2). No cookie of
 * ours arrives there, so the session is found by the provider's name for it.
 */
export function frontchannel({ options, providerLogout }: EndpointParts): Endpoint {
  const policy = `default-src 'none'; frame-ancestors ${new URL(options.issuer).origin}`
  return async (request, response) => {
    const query = queryOf(request)
    const issuer = query.get('iss')
    const sid = query.get('sid')
    if (!issuer || !sid || !(await providerLogout.bySession(issuer, sid))) throw new BffError('bad_request')
    response.removeHeader('X-Frame-Options') // it cannot name an origin
    response.setHeader('Content-Security-Policy', policy)
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end('<!doctype html><html lang="en"><title>Signed out</title>')
  }
}
