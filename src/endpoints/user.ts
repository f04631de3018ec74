import { BffError } from '../errors.ts'
import type { UserBody } from '../wire.ts'
import { type Endpoint, type EndpointParts, queryOf, sendJson } from './endpoint.ts'

/** Who is logged in, and for how long. Asking counts as use, unless `?slide=false`. */
export function user({ cookie, sessions, logout }: EndpointParts): Endpoint {
  return async (request, response) => {
    const slide = queryOf(request).get('slide') !== 'false'
    const ref = cookie.ref(request)
    const facts = cookie.facts(request)
    const known = ref === null || facts === null ? null : await sessions.describe(ref, facts, slide)
    if (ref === null || known === null) throw new BffError('no_session')
    cookie.renew(request, response)
    const body: UserBody = { ...known, logoutUrl: logout.urlFor(ref) }
    sendJson(response, body)
  }
}
