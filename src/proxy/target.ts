import { BffError } from '../errors.ts'
import { foldDecoded } from '../http/request-target.ts'
import type { Route } from '../options.ts'

/** A route with what can be worked out once. */
export interface Target {
  readonly route: Route
  /** The only origin its requests go to. */
  readonly origin: string
  /** Takes the place of the route's `path`. */
  readonly basePath: string
  /** Paths of the routes that lie under its own, in lower case. */
  readonly inner: readonly string[]
}

/** The targets of all routes, the longest path first: the first one that a path lies under is its own. */
export function createTargets(routes: readonly Route[]): Target[] {
  return routes
    .map((route) => {
      const { origin, pathname } = new URL(route.upstream)
      const basePath = pathname === '/' ? '' : pathname.replace(/\/$/, '')
      return { route, origin, basePath, inner: innerPaths(routes, route.path) }
    })
    .sort((a, b) => b.route.path.length - a.route.path.length)
}

function innerPaths(routes: readonly Route[], outer: string): string[] {
  return routes
    .map(({ path }) => path.toLowerCase())
    .filter((path) => path.length > outer.length && isUnder(path, outer.toLowerCase()))
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
export function upstreamPath({ route, basePath, inner }: Target, url: string): string {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : url.slice(mark)
  // A fragment has no place in a request (RFC 9112, section 3.2); some cut there, and some do not.
  if (query.includes('#')) throw new BffError('bad_target')
  const reading = plain.test(path) ? path : readingOf(path, route.encodedSlash)
  if (reading === null || isOfAnother(inner, reading)) throw new BffError('bad_target')
  const root = basePath === '' && path === route.path ? '/' : ''
  return basePath + path.slice(route.path.length) + root + query
}

/** Nothing in it can be read in two ways; most paths are like that. */
const plain = /^(?:\/[\w-]+)+\/?$/

/** What is decoded more often than this was made to deceive. */
const mostReadings = 4

/** A path as it is once decoded; `null` when somebody who decodes it, however often, may come to another one than who does not. */
function readingOf(path: string, allowsEncodedSlash: boolean): string | null {
  if (malformed.test(path)) return null
  let reading = path
  for (let i = 0; i < mostReadings; i++) {
    if (deceptive.test(reading) || (!allowsEncodedSlash && encodedSlash.test(reading))) return null
    const next = decodeBytes(reading)
    if (next === reading) return reading
    reading = next
  }
  return null
}

/** Whether an upstream that folds what it reads takes a path for one of an inner route's, whose conditions it got past. */
function isOfAnother(inner: readonly string[], reading: string): boolean {
  if (inner.length === 0) return false
  const folded = foldDecoded(reading)
  return inner.some((path) => isUnder(folded, path))
}

/** A fragment, an empty segment, which some take for the start of a host, and a percent sign that encodes nothing. */
const malformed = /#|\/\/|%(?![0-9a-f]{2})/i
/** A backslash or control character; `.` and `..` as a segment, also with a path parameter (`..;x`) or spaces behind. */
const deceptive = /\\|[^ -~\x80-\xff]|(?:^|\/)\.\.?\s*(?:[/;]|$)/
const encodedSlash = /%2f/i

/** Each byte on its own, so that what is not UTF-8 is read as well. */
function decodeBytes(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
}
