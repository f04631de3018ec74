import { readCookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import { type Endpoint, type EndpointParts, redirect } from './endpoint.ts'

/**
 * Where a callback that cannot be used sends its browser, once. Coming from our own origin this request carries the
 * session cookie: whoever is logged in goes where the login led, or to `/`.
 */
export function usedCallback({ cookie, logins, sessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const ref = cookie.ref(request)
    const facts = cookie.facts(request)
    const known = ref === null || facts === null ? null : await sessions.describe(ref, facts, false)
    if (facts === null || known === null) {
      // The callback has just set a cookie.
      if (request.headers.cookie === undefined) throw logins.loop.broken()
      throw new BffError('login_failed')
    }
    const returnUrl = await logins.used.returnUrl(readCookies(request.headers.cookie), facts.subject)
    redirect(response, returnUrl ?? '/', [logins.used.forget()])
  }
}
