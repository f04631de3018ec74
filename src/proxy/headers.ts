import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { antiForgeryHeader } from '../wire.ts'

/** Belong to one connection (RFC 9110, section 7.6.1), or to the framing that each side does for itself. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]

/** What a client could use to speak in our name, or in its user's. */
const neverFromClient = new Set([
  ...hopByHop,
  'host',
  'cookie',
  'authorization',
  'dpop',
  antiForgeryHeader.name,
  'forwarded',
  'x-real-ip',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
])

/** What an upstream must not say to the browser in our name. */
const neverFromUpstream = new Set([
  ...hopByHop,
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'server',
  'www-authenticate',
  'x-powered-by',
])

/** Facts about our own side that upstreams are told. */
export interface ForwardedFacts {
  proto: string
  host: string
}

/** Request headers for the upstream as a flat list: the client's, less what is not the client's to say, then ours. */
export function requestHeaders(request: IncomingMessage, token: string, { proto, host }: ForwardedFacts): string[] {
  const named = namedByConnection(request.headers.connection)
  const headers: string[] = []
  const { rawHeaders } = request
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const lower = name.toLowerCase()
    // Servers that read CGI variables take `X_Forwarded_For` for `X-Forwarded-For`.
    if (neverFromClient.has(lower) || named.has(lower) || lower.startsWith('x-forwarded-') || lower.includes('_'))
      continue
    headers.push(name, rawHeaders[i + 1] ?? '')
  }
  headers.push('Authorization', `Bearer ${token}`)
  headers.push('X-Forwarded-For', request.socket.remoteAddress ?? '')
  headers.push('X-Forwarded-Proto', proto, 'X-Forwarded-Host', host)
  return headers
}

/** Response headers for the browser, less what is not the upstream's to say; private and uncached unless it says so. */
export function responseHeaders(received: IncomingHttpHeaders): Record<string, string | string[]> {
  const { connection } = received
  const named = namedByConnection(connection)
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(received)) {
    if (value === undefined || neverFromUpstream.has(name) || named.has(name)) continue
    if (name.startsWith('access-control-')) continue
    headers[name] = value
  }
  const cache = String(headers['cache-control'] ?? '')
  if (!/(^|[\s,])(private|no-store)\b/i.test(cache)) headers['cache-control'] = 'private, no-store'
  headers['x-content-type-options'] = 'nosniff'
  headers['cross-origin-resource-policy'] = 'same-origin'
  return headers
}

function namedByConnection(value: string | string[] | undefined): ReadonlySet<string> {
  if (value === undefined) return none
  return new Set(
    String(value)
      .split(',')
      .map((name) => name.trim().toLowerCase()),
  )
}

const none: ReadonlySet<string> = new Set()
