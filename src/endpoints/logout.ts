import { BffError } from '../errors.ts'
import { judgeReturnUrl } from '../http/return-url.ts'
import type { LogoutBody } from '../wire.ts'
import { type Endpoint, type EndpointParts, queryOf, redirect, sendJson } from './endpoint.ts'

/** Logs out by navigation: 302 to the provider. Needs the `sid` of `logoutUrl`, so that no other page can do it. */
export function logoutByNavigation({ options, cookie, logout }: EndpointParts): Endpoint {
  return async (request, response) => {
    const query = queryOf(request)
    const returnUrl = judgeReturnUrl(query.get('returnUrl'), options)
    const ref = cookie.ref(request)
    if (ref === null) return redirect(response, returnUrl)
    if (!logout.isSidOf(ref, query.get('sid') ?? '')) throw new BffError('anti_forgery')
    const { redirectTo, setCookies } = await logout.end(ref, returnUrl, 'id_token')
    cookie.remove(request, response)
    redirect(response, redirectTo, setCookies)
  }
}

/** Logs out by script: the answer says where to go next, and carries no token. */
export function logoutByScript({ options, cookie, logout }: EndpointParts): Endpoint {
  return async (request, response) => {
    const returnUrl = judgeReturnUrl(queryOf(request).get('returnUrl'), options)
    const ref = cookie.ref(request)
    const body: LogoutBody = { redirectTo: returnUrl }
    if (ref !== null) {
      const { redirectTo, setCookies } = await logout.end(ref, returnUrl, 'subject')
      cookie.remove(request, response)
      for (const line of setCookies) response.appendHeader('set-cookie', line)
      body.redirectTo = redirectTo
    }
    sendJson(response, body)
  }
}
