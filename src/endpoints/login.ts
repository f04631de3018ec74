import { readCookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import { judgeReturnUrl } from '../http/return-url.ts'
import { loginParameters } from '../wire.ts'
import { type Endpoint, type EndpointParts, queryOf, redirect } from './endpoint.ts'

/** Starts a login: 302 to the provider, always, whether or not there is a session. */
export function login({ options, cookie, sessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const query = queryOf(request)
    const passed = Object.fromEntries(
      loginParameters.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])),
    )
    // OpenID Connect Core 1.0, section 3.1.2.1: whole seconds.
    if (passed['max_age'] !== undefined && !/^\d{1,9}$/.test(passed['max_age'])) throw new BffError('bad_request')
    const begun = {
      returnUrl: judgeReturnUrl(query.get('returnUrl'), options),
      previousRef: cookie.ref(request),
      passed,
    }
    const { url, setCookies } = await sessions.startLogin(begun, readCookies(request.headers.cookie))
    redirect(response, url, setCookies)
  }
}
