import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http'
import { BffError } from '../errors.ts'
import { demandAntiForgery } from '../http/anti-forgery.ts'
import { pathOf } from '../http/request-target.ts'
import type { Options } from '../options.ts'
import type { Say } from '../telemetry/events.ts'
import type { OpenStreams } from '../tokens/open-streams.ts'
import type { Spendable } from '../tokens/spendable.ts'
import { targetOf } from '../tokens/token-target.ts'
import type { Tokens } from '../tokens/tokens.ts'
import { createForwarder } from './forward.ts'
import { createHeaderRules } from './headers.ts'
import { createStepUp } from './step-up.ts'
import { createTargets, isUnder, type Target, upstreamPath } from './target.ts'
import { createTrust } from './trust-proxy.ts'
import { type Bind, isWebSocketHandshake, type Upgrading } from './upgrade.ts'

/** What we do for a request that is not ours. It reads, and writes nothing that its answer would wait for. */
export interface Proxy {
  /** Who answers requests under a path; `null` when it lies under no route. */
  handlerFor(path: string): RouteHandler | null
  /** What requests under a path may ask to be done. */
  methodsFor(path: string): readonly string[]
  /** Whether a handshake is for a route that takes WebSockets. */
  upgrades(request: IncomingMessage): boolean
  close(): Promise<void>
}

/** What a route forwards unless it says so itself: TRACE would show the token to whoever reads the answer. */
const forwardedMethods: readonly string[] = METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT')

/** @param upgrading set when the request has left HTTP to become a WebSocket */
export type RouteHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  upgrading: Upgrading | null,
) => Promise<void>

/**
 * @param ownCookies what the names of our own cookies begin with
 * @param refOf the session a request's cookie names, `null` for none
 * @param tokens what that session may spend; throws what stops the request
 */
export function createProxy(
  { publicUrl, basePath, routes, timing, trustProxy }: Options,
  ownCookies: string,
  refOf: (request: IncomingMessage) => string | null,
  tokens: Pick<Tokens, 'spending' | 'useOf'>,
  streams: OpenStreams,
  say: Say,
): Proxy {
  const { protocol, host } = new URL(publicUrl)
  const facts = { proto: protocol.slice(0, -1), host, trusts: createTrust(trustProxy), ownCookies }
  const stepUp = createStepUp(basePath)

  function createRoute(target: Target) {
    const { route } = target
    const forwarder = createForwarder(target, createHeaderRules(target, facts), stepUp, timing, say)
    const methods: readonly string[] = route.methods ?? forwardedMethods
    const spending = tokens.spending(targetOf(route))
    // Our own token, too, is for those alone who are logged in.
    const needsSession = route.token === 'user' || route.token === 'client'
    const required = route.scope?.split(' ').filter((name) => name !== '') ?? []

    /** Where a session is optional, the cookie of one that is over is no reason to refuse. */
    const ifThere = (ref: string) =>
      spending.spendable(ref).catch((error: unknown) => {
        if (error instanceof BffError && error.status === 401) return null
        throw error
      })
    const spendable: (ref: string) => Promise<Spendable | null> = needsSession ? spending.spendable : ifThere

    return {
      target,
      methods,
      close: forwarder.close,
      async handle(request: IncomingMessage, response: ServerResponse, upgrading: Upgrading | null) {
        const { method = '' } = request
        if (!methods.includes(method)) throw new BffError('method_not_allowed', { allow: methods })
        const path = upstreamPath(target, request.url ?? '')
        demandAntiForgery(request, upgrading === null ? route.antiForgery : 'web-socket', publicUrl)
        const ref = route.token === 'none' ? null : refOf(request)
        if (ref === null && needsSession) throw new BffError('no_session')
        const spent = ref === null ? null : await spendable(ref)
        if (spent !== null && !hasScope(spent, required)) throw new BffError('insufficient_scope')
        if (response.destroyed) return // left while we waited
        const insteadOf =
          spent === null || ref === null
            ? null
            : async () => (await spending.insteadOf(ref, spent))?.accessToken ?? null
        const bind: Bind = (close) => {
          const whose = spent === null ? null : ref
          const used = whose !== null && route.streamsExtend ? tokens.useOf(whose) : ignore
          return { used, release: streams.add(whose, { close }) }
        }
        const token = spent?.accessToken ?? null
        const signedIn = spent?.signedIn ?? null
        await forwarder.forward(request, response, { path, token, insteadOf, signedIn, bind, upgrading })
      },
    }
  }

  const known = createTargets(routes).map(createRoute)
  const routeOf = (path: string) => known.find(({ target }) => isUnder(path, target.route.path))
  return {
    handlerFor: (path) => routeOf(path)?.handle ?? null,
    methodsFor: (path) => routeOf(path)?.methods ?? forwardedMethods,
    upgrades: (request) => isWebSocketHandshake(request) && routeOf(pathOf(request))?.target.route.webSocket === true,
    async close() {
      await Promise.all(known.map((route) => route.close()))
    },
  }
}

function ignore(): void {}

function hasScope({ scope }: Spendable, required: readonly string[]): boolean {
  if (required.length === 0) return true
  const granted = new Set(scope.split(' '))
  return required.every((name) => granted.has(name))
}
