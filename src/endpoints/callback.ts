import { readCookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import { browserName } from '../http/browser-name.ts'
import { type Endpoint, type EndpointParts, queryOf, redirect } from './endpoint.ts'

/** Ends a login: the code becomes tokens, the browser gets a new session id and goes where it wanted to. */
export function callback({ cookie, logins, sessions, userSessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const query = queryOf(request)
    const state = query.get('state') ?? ''
    const cookies = readCookies(request.headers.cookie)
    // Under SameSite=Strict this is usually unknown: the navigation came from the provider.
    const currentRef = cookie.ref(request)
    const { returnUrl, previousRef, begin } = await sessions.finishLogin(query, cookies).catch((error: unknown) => {
      // A used or failed login's cookie is of no more use; while something is down, the login may still be finished.
      if (error instanceof BffError && error.status < 500)
        response.appendHeader('set-cookie', logins.pending.forget(state))
      if (error instanceof BffError && error.problem === 'login_used')
        response.appendHeader('set-cookie', logins.used.name(state))
      throw error
    })
    const setCookies = [logins.pending.forget(state)]
    if (begin !== null) {
      const browser = browserName(request.headers['user-agent'])
      await cookie.begin(request, (ref) => begin(ref, browser))
      for (const old of new Set([previousRef, currentRef])) if (old !== null) await sessions.replace(old)
      const facts = cookie.facts(request)
      if (facts !== null) await userSessions.limit(facts)
      setCookies.push(logins.loop.count(cookies))
    }
    redirect(response, returnUrl, setCookies)
  }
}
