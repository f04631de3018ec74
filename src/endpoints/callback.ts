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
      // As the login's start saw it, and not this request's cookie: under SameSite=Strict it does not come along here.
      if (previousRef !== null) await sessions.replace(previousRef)
      const facts = cookie.facts(request)
      if (facts !== null) await userSessions.limit(facts)
      setCookies.push(logins.loop.count(cookies))
    }
    redirect(response, returnUrl, setCookies)
  }
}
