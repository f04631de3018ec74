import { judgeReturnUrl } from '../http/return-url.ts'
import { readCookies } from '../session/cookie-jar.ts'
import { loginParameters } from '../wire.ts'
import { type Endpoint, type EndpointParts, queryOf, redirect } from './endpoint.ts'

/** Starts a login: 302 to the provider, always, whether or not there is a session. */
export function login({ options, cookie, sessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const query = queryOf(request)
    const passed = Object.fromEntries(
      loginParameters.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])),
    )
    const begun = {
      returnUrl: judgeReturnUrl(query.get('returnUrl'), options.publicUrl, options.basePath),
      previousRef: cookie.ref(request),
      passed,
    }
    const { url, setCookies } = await sessions.startLogin(begun, readCookies(request.headers.cookie))
    redirect(response, url, setCookies)
  }
}
