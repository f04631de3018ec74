import { readCookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import { judgeReturnUrl } from '../http/return-url.ts'
import { acrValuesPattern, loginParameters } from '../wire.ts'
import { type Endpoint, type EndpointParts, queryOf, redirect } from './endpoint.ts'

/** Starts a login: 302 to the provider, always, whether or not there is a session. */
export function login({ options, cookie, logins, sessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const query = queryOf(request)
    const passed = Object.fromEntries(
      loginParameters.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])),
    )
    // OpenID Connect Core 1.0, section 3.1.2.1: whole seconds.
    if (passed['max_age'] !== undefined && !/^\d{1,9}$/.test(passed['max_age'])) throw new BffError('bad_request')
    if (passed['acr_values'] !== undefined && !acrValuesPattern.test(passed['acr_values']))
      throw new BffError('bad_request')
    const cookies = readCookies(request.headers.cookie)
    const previousRef = cookie.ref(request)
    // From another site a Strict session cookie does not come along, so that its absence says nothing.
    if (previousRef === null && request.headers['sec-fetch-site'] === 'same-origin' && logins.loop.isClosed(cookies)) {
      response.appendHeader('set-cookie', logins.loop.reset())
      throw logins.loop.broken()
    }
    const begun = { returnUrl: judgeReturnUrl(query.get('returnUrl'), options), previousRef, passed }
    const { url, setCookies } = await sessions.startLogin(begun, cookies)
    redirect(response, url, setCookies)
  }
}
