import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { createAdminServer } from './admin.ts'
import { createEndpoints } from './endpoints/router.ts'
import { inProduction } from './env.ts'
import { createClientErrorAnswer } from './http/client-error.ts'
import { createErrorAnswer } from './http/error-answer.ts'
import { createRateLimits } from './http/rate-limit.ts'
import { createSecurityHeaders } from './http/security-headers.ts'
import { type BffOptions, parseOptions } from './options.ts'
import { pageStyleHash } from './pages/error-page.ts'
import { createProxy } from './proxy/proxy.ts'
import { createProvider } from './relying-party/provider.ts'
import { createRequestStack } from './request-stack.ts'
import { createOwnServer, startServer, stopServer, untilClosed } from './servers.ts'
import { createCookieJar } from './session/cookie-jar.ts'
import { createLogins } from './session/logins.ts'
import { createLogout } from './session/logout.ts'
import { createOperatorSessions, type OperatorSessions } from './session/operator-sessions.ts'
import { createProviderLogout } from './session/provider-logout.ts'
import { createTellRanOut } from './session/ran-out.ts'
import { createSessionCookie } from './session/session-cookie.ts'
import { refreshedRecord } from './session/session-record.ts'
import { createSessionWatch } from './session/session-watch.ts'
import { createSessions } from './session/sessions.ts'
import { createUserSessions } from './session/user-sessions.ts'
import { createSpa } from './spa/spa.ts'
import { openStore } from './storage/open-store.ts'
import type { Store } from './storage/store.ts'
import { untilReady } from './storage/until-ready.ts'
import { type Counts, createCounters } from './telemetry/counters.ts'
import { createSay } from './telemetry/events.ts'
import { createLog } from './telemetry/log.ts'
import { createOpenStreams } from './tokens/open-streams.ts'
import { createRanOut } from './tokens/ran-out.ts'
import { createSeal } from './tokens/seal.ts'
import { createTokens } from './tokens/tokens.ts'

/** A running backend-for-frontend. */
export interface Bff {
  /** Answers any request: our endpoints, the routes, the SPA, else 404. For a `node:http` server of your own. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /**
   * The same as Express middleware; passed on is what is neither an endpoint nor under a route, nor a file of the SPA, nor
   * a page that a browser navigates to where there is an SPA. Wherever it is mounted, paths are those that the browser asks
   * for.
   */
  router(request: IncomingMessage, response: ServerResponse, next: () => void): void
  /** Opens a WebSocket for a handshake, as Node's server hands it to its `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /**
   * Adds to a server of your own what middleware cannot reach, for our routes alone: WebSockets, and bodies that wait to
   * be asked for; answers to what is no request at all; and keeps connections at least as long as load balancers do.
   * A server may be given to several, each with routes of its own; what else its `shouldUpgradeCallback` allows, it does.
   * Its `requestTimeout` is yours: Node's five minutes end every upload that takes longer.
   */
  attach(server: Server): void
  /** How often what has happened since the start, `rotation_lost` among it. */
  readonly counts: Counts
  /** Every user's sessions, for the operator. */
  readonly sessions: OperatorSessions
  /** Resolves when the store can be reached. @throws BffError `store_unreachable` after `timing.connect` */
  ready(): Promise<void>
  /** Starts a server on `host` and `port` (and `adminPort`). */
  listen(): Promise<Server>
  /**
   * Stops accepting, waits for requests, refreshes and revocations in flight (at most `timing.drain`), and closes. A server
   * of your own is waited for when it was given to `attach` and told to close before: what stays open on it closes now.
   * Several of one server are closed at once (`Promise.all`): each waits for whatever is open there, and closes its own.
   */
  close(): Promise<void>
}

/**
 * Builds every part once. Nothing is awaited: the store connects and the provider is discovered in the background,
 * and until then the requests that need them are answered with 503.
 * @param options see `BffOptions`; the same names as in the config file
 * @param parts `log`: a pino logger in place of one to standard output; `store`: a store in place of the configured one
 * @throws ConfigurationError naming every problem at once
 */
export function createBff(options: BffOptions, parts: { log?: Logger; store?: Store } = {}): Bff {
  const checked = parseOptions(options, { production: inProduction() })
  const { publicUrl, timing } = checked
  const counters = createCounters()
  const say = createSay(parts.log ?? createLog(), counters)

  const store = parts.store ?? openStore(checked, say)
  const seal = createSeal(checked.sessionSecret)
  const provider = createProvider(checked, say)
  const tokens = createTokens(checked, store, seal, provider, refreshedRecord(checked.claims), say)

  const jar = createCookieJar(checked)
  const cookie = createSessionCookie(checked, jar, store.sessions, say)
  const logins = createLogins(store, seal, jar, timing.login, say)
  const ranOut = createRanOut(store, say)
  const tellRanOut = createTellRanOut(store, ranOut)
  const sessions = createSessions(checked, provider, tokens, logins, tellRanOut, say)
  const logout = createLogout(checked, jar, seal, provider, tokens, tellRanOut)
  const providerLogout = createProviderLogout(store, provider, tokens, say)

  const headers = createSecurityHeaders(checked, pageStyleHash)
  const answer = createErrorAnswer(say, checked, headers.endpoints)
  const streams = createOpenStreams(store, timing, ranOut)
  const watch = createSessionWatch(tokens, streams, tellRanOut)
  const userSessions = createUserSessions(checked, store, tokens, tellRanOut, say)
  const operatorSessions = createOperatorSessions(checked, store, tokens)
  const limits = createRateLimits(checked, store, say)
  const endpointParts = {
    options: checked,
    limits,
    jar,
    cookie,
    logins,
    sessions,
    logout,
    providerLogout,
    watch,
    userSessions,
    say,
  }
  const endpoints = createEndpoints(endpointParts, headers.endpoints, answer)
  const proxy = createProxy(checked, jar.sessionName, cookie.ref, tokens, streams, say)
  const spa = checked.spa === undefined ? null : createSpa(resolve(checked.spa), headers, answer)
  const clientError = createClientErrorAnswer(headers.endpoints)
  const stack = createRequestStack({ options: checked, endpoints, proxy, spa, answer, clientError, say })

  // The first login should not wait for it; if it fails, the first login tries again.
  provider.configuration().catch(() => undefined)

  const servers: Server[] = []
  /** Those of others that have begun to listen. */
  const attached = new Set<Server>()

  return {
    handle: stack.handle,
    router: stack.router,
    upgrade: stack.upgrade,
    attach(server) {
      stack.attach(server)
      if (server.listening) attached.add(server)
      server.on('listening', () => attached.add(server))
      server.on('close', () => attached.delete(server))
    },
    counts: counters.counts,
    sessions: operatorSessions,
    ready: () => untilReady(store, timing.connect),
    async listen() {
      const server = createOwnServer(stack.handle, timing.idleBody)
      stack.attach(server)
      await startServer(server, checked.port, checked.host)
      servers.push(server)
      if (checked.adminPort !== undefined) {
        const admin = createAdminServer(store, operatorSessions, checked.adminSecret)
        await startServer(admin, checked.adminPort, checked.host)
        servers.push(admin)
      }
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : checked.port
      say('listening', { publicUrl, host: checked.host, port, store: checked.store, pid: process.pid })
      return server
    },
    async close() {
      const closing = [...attached].filter(({ listening }) => !listening)
      const closed = [...servers.map(stopServer), ...closing.map(untilClosed)]
      streams.closeAll()
      const drained = Promise.all(closed).then(() => tokens.drain())
      await Promise.race([drained, new Promise((done) => setTimeout(done, timing.drain).unref())])
      for (const server of servers) server.closeAllConnections()
      await Promise.all([proxy.close(), provider.close()])
      await store.close()
      say('stopped')
    },
  }
}
