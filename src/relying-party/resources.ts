import type { Options } from '../options.ts'

/**
 * Resources for which a login asks, since a refresh may only name one of them (RFC 8707, section 2.2): the one among
 * `authorizationParams`, which is the session's own, and those of routes.
 */
export function askedResources({ authorizationParams, routes }: Options): string[] {
  const own = authorizationParams['resource']
  const ofRoutes = routes.map((route) => (route.token === 'client' ? undefined : route.accessToken?.resource))
  return [...new Set([own, ...ofRoutes].filter((resource) => resource !== undefined))]
}

/** Of a token request for the session's own access token: which resource is meant, if the login has asked for several. */
export function ownParameters(options: Options): Record<string, string> {
  const own = options.authorizationParams['resource']
  return own === undefined || askedResources(options).length === 1 ? {} : { resource: own }
}
