import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { readCookies } from '../cookie-header.ts'
import { remembering } from '../remember.ts'
import type { Target } from './target.ts'
import { canTrail } from './trailers.ts'
import type { Trusts } from './trust-proxy.ts'
import { neverFromClient, neverFromUpstream, ofProxies } from './withheld-fields.ts'

/** What an upstream is told of us. */
export interface ForwardedFacts {
  proto: string
  host: string
  /** Who may say for whom they speak. */
  trusts: Trusts
  /** Our own cookies' names begin with this: no route passes them, whatever it is configured to. */
  ownCookies: string
}

/** Browsers send few names, and spell each of them in one way. */
const rememberedNames = 200

export type ResponseHeaders = Record<string, string | string[]>

/** How the headers of one route's requests and responses are changed; what can be worked out is, once. */
export interface HeaderRules {
  /** A flat list: the client's headers, less what is not the client's to say, then ours. @param token `null` for none */
  request(request: IncomingMessage, token: string | null): string[]
  /** Less what is not the upstream's to say; private and uncached unless it says so itself. */
  response(received: IncomingHttpHeaders): ResponseHeaders
  /** What may not be said in a head may not be said behind the body either. @param head what was said before the body */
  trailers(received: IncomingHttpHeaders, head: IncomingHttpHeaders): Record<string, string>
}

export function createHeaderRules(target: Target, { proto, host, trusts, ownCookies }: ForwardedFacts): HeaderRules {
  const { requestHeaders, responseHeaders, forwardCookies, responseCookies } = target.route
  const set = Object.entries(requestHeaders.set)
  const dropped = new Set([...neverFromClient, ...requestHeaders.remove, ...set.map(([name]) => name)])
  const withheld = new Set([...neverFromUpstream, ...responseHeaders.remove])
  const passedOn = new Set(forwardCookies.filter((name) => !name.startsWith(ownCookies)))
  const settable = new Set(responseCookies.filter((name) => !name.startsWith(ownCookies)))
  const always = ['X-Forwarded-Proto', proto, 'X-Forwarded-Host', host, ...set.flat()]
  const ours: ResponseHeaders = {
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    ...responseHeaders.set,
  }
  const returns = remembering(rememberedNames, (name) => {
    // Caches follow a field that is meant for them (RFC 9213) rather than ours.
    return !withheld.has(name) && !name.startsWith('access-control-') && !name.endsWith('-cache-control')
  })
  const passes = remembering(rememberedNames, (name) => {
    const lower = name.toLowerCase()
    // Servers that read CGI variables take `X_Forwarded_For` for `X-Forwarded-For`.
    return !dropped.has(lower) && !ofProxies.test(lower) && !lower.includes('_')
  })
  const returned = (received: IncomingHttpHeaders, { connection }: IncomingHttpHeaders) => {
    const named = namedByConnection(connection)
    const headers: ResponseHeaders = {}
    for (const [name, value] of Object.entries(received)) {
      if (value === undefined || !returns(name) || named.has(name)) continue
      headers[name] = value
    }
    return headers
  }

  return {
    request(request, token) {
      const named = namedByConnection(request.headers.connection)
      const headers: string[] = []
      const { rawHeaders } = request
      for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
        const name = rawHeaders[i] ?? ''
        if (!passes(name) || (named !== none && named.has(name.toLowerCase()))) continue
        headers.push(name, rawHeaders[i + 1] ?? '')
      }
      if (passedOn.size > 0) addCookies(headers, request.headers.cookie, passedOn)
      if (token !== null) headers.push('Authorization', `Bearer ${token}`)
      headers.push('X-Forwarded-For', forwardedFor(request, trusts), ...always)
      return headers
    },

    response(received) {
      const headers = returned(received, received)
      // undici hands over one line as a string, several as a list.
      const lines: readonly string[] = [received['set-cookie'] ?? []].flat()
      const cookies = lines.filter((line) => settable.has(cookieName(line)))
      if (cookies.length > 0) headers['set-cookie'] = cookies
      if (typeof headers['location'] === 'string') headers['location'] = browserLocation(headers['location'], target)
      const cache = String(headers['cache-control'] ?? '')
      if (!keptToOne.test(cache) || forAll.test(cache)) headers['cache-control'] = 'private, no-store'
      return Object.assign(headers, ours)
    },

    trailers(received, head) {
      const trailing = Object.entries(returned(received, head)).filter(
        ([name]) => canTrail(name) && !Object.hasOwn(ours, name),
      )
      return Object.fromEntries(trailing.map(([name, value]) => [name, String(value)]))
    },
  }
}

/**
 * A directive for the whole of a response: with field names behind it (`private="x"`), or within a quoted value, it lets
 * the response be stored by everybody (RFC 9111, section 5.2.2.7).
 */
const keptToOne = /^(?:(?:[^"]|"[^"]*")*,)?\s*(?:private|no-store)\s*(?:,|$)/i
/** Beside it this is a contradiction, and some caches go by the one word and some by the other. */
const forAll = /\b(?:public|s-maxage)\b/i

/** The peer, and before it the clients that it names, if it is one of those who may. */
function forwardedFor({ socket, headers }: IncomingMessage, trusts: Trusts): string {
  const peer = socket.remoteAddress ?? ''
  const named = headers['x-forwarded-for']
  return named !== undefined && trusts(peer) ? `${String(named)}, ${peer}` : peer
}

/** The name that a `Set-Cookie` line gives: none without `=`, and what stands there is all value (RFC 6265bis). */
function cookieName(line: string): string {
  return line.slice(0, Math.max(line.indexOf('='), 0)).trim()
}

function addCookies(headers: string[], cookieHeader: string | undefined, names: ReadonlySet<string>): void {
  const pairs = [...readCookies(cookieHeader)]
    .filter(([name]) => names.has(name))
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`))
  if (pairs.length > 0) headers.push('Cookie', pairs.join('; '))
}

/** A redirect within the upstream, as the browser has to ask for it; one that leads elsewhere stays as it is. */
function browserLocation(location: string, { route, origin, basePath }: Target): string {
  const base = `${origin}${basePath}/`
  // A byte beyond ASCII stays the byte it is; to a URL parser it would be a character, and become others.
  const plain = location.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
  if (!URL.canParse(plain, base)) return location
  const url = new URL(plain, base)
  // What is relative to the address itself is so on our side too.
  const relative = !location.startsWith('/') && !/^[a-z][a-z0-9+.-]*:/i.test(location)
  if (url.origin !== origin || relative) return location
  const rest = url.search + url.hash
  if (`${url.pathname}/`.startsWith(`${basePath}/`)) return route.path + url.pathname.slice(basePath.length) + rest
  // Beside its base path nothing of the upstream is ours to offer; what its address is need not be known either.
  return url.pathname.replace(/^\/+/, '/') + rest // two slashes would begin a host
}

function namedByConnection(value: string | string[] | undefined): ReadonlySet<string> {
  if (value === undefined || value === 'keep-alive') return none // what nearly all say, and it never passes
  const names = String(value).split(',')
  return new Set(names.map((name) => name.trim().toLowerCase()))
}

const none: ReadonlySet<string> = new Set()
