import { BffError } from '../errors.ts'
import type { Route } from '../options.ts'

/** A route with what can be worked out once. */
export interface Target {
  readonly route: Route
  /** The only origin its requests go to. */
  readonly origin: string
  /** Takes the place of the route's `path`. */
  readonly basePath: string
}

/** The targets of all routes, the longest path first: the first one that a path lies under is its own. */
export function createTargets(routes: readonly Route[]): Target[] {
  return routes
    .map((route) => {
      const { origin, pathname } = new URL(route.upstream)
      return { route, origin, basePath: pathname === '/' ? '' : pathname.replace(/\/$/, '') }
    })
    .sort((a, b) => b.route.path.length - a.route.path.length)
}

/** Whether a path lies under another, by whole segments. */
export function isUnder(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
}

/**
 * What the upstream is asked for: configuration and the rest of the path put together as text, byte for byte, so that
 * no parser gets to read an origin out of what a client wrote.
 * @param url the request target as it came
 * @throws BffError `bad_target` for whatever an upstream could understand as another path than we did
 */
export function upstreamPath({ route, basePath }: Target, url: string): string {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  if (disguised.test(path) || (!route.encodedSlash && encodedSlash.test(path))) throw new BffError('bad_target')
  if (path.split(anySlash).some(isDotSegment)) throw new BffError('bad_target')
  return (
    `${basePath}${path.slice(route.path.length)}` +
    (basePath === '' && path === route.path ? '/' : '') +
    (mark < 0 ? '' : url.slice(mark))
  )
}

/** Backslashes, NUL and fragments, and empty segments, which some take for the start of a host. */
const disguised = /%(?:25)*(?:5c|00)|[\\#\0]|\/\//i
const encodedSlash = /%(?:25)*2f/i
const anySlash = /\/|%(?:25)*2f/i

/** `.` and `..`, also encoded, also twice, also with a path parameter behind (`..;x`). */
function isDotSegment(segment: string): boolean {
  const [plain = ''] = segment.replace(/%(?:25)*2e/gi, '.').split(/;|%(?:25)*3b/i)
  return plain === '.' || plain === '..'
}
