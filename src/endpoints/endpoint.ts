import type { IncomingMessage, ServerResponse } from 'node:http'
import { BffError } from '../errors.ts'
import type { RateLimits } from '../http/rate-limit.ts'
import type { Options } from '../options.ts'
import type { CookieJar } from '../session/cookie-jar.ts'
import type { Logins } from '../session/logins.ts'
import type { Logout } from '../session/logout.ts'
import type { ProviderLogout } from '../session/provider-logout.ts'
import type { SessionCookie } from '../session/session-cookie.ts'
import type { SessionWatch } from '../session/session-watch.ts'
import type { Sessions } from '../session/sessions.ts'
import type { UserSessions } from '../session/user-sessions.ts'
import type { Say } from '../telemetry/events.ts'

/** What endpoints work with. No token, and nothing that yields one, is among it. */
export interface EndpointParts {
  options: Options
  limits: RateLimits
  jar: CookieJar
  cookie: SessionCookie
  logins: Logins
  sessions: Sessions
  logout: Logout
  providerLogout: ProviderLogout
  watch: SessionWatch
  userSessions: UserSessions
  say: Say
}

/** Answers a request, or throws what stops it. */
export type Endpoint = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/**
 * The query of a request.
 * @throws BffError `bad_request` for a repeated parameter: who reads the first and who reads the last see two requests
 */
export function queryOf({ url = '' }: IncomingMessage): URLSearchParams {
  const mark = url.indexOf('?')
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  if (new Set(query.keys()).size !== query.size) throw new BffError('bad_request')
  return query
}

/** What stands in place of the `:id` that ends a path of ours. */
export function pathParameter({ url = '' }: IncomingMessage): string {
  const [path = ''] = url.split('?')
  return path.slice(path.lastIndexOf('/') + 1)
}

/** 302 and never 307, which would make the browser send on what it sent us (RFC 9700, section 4.12). */
export function redirect(response: ServerResponse, location: string, setCookies: readonly string[] = []): void {
  for (const line of setCookies) response.appendHeader('set-cookie', line)
  response.statusCode = 302
  response.setHeader('Location', location)
  response.end()
}

export function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(body))
}
