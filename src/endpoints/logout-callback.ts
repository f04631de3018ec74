import { type Endpoint, type EndpointParts, queryOf, redirect } from './endpoint.ts'

/** Where the provider sends a browser that has logged out: on to where it wanted to go, once. */
export function logoutCallback({ jar, logout }: EndpointParts): Endpoint {
  return async (request, response) => {
    const returnUrl = logout.returnUrl(request.headers.cookie, queryOf(request).get('state'))
    redirect(response, returnUrl ?? '/', [jar.deletedShort(jar.logoutName)])
  }
}
