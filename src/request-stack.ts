import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { BffError, type ProblemName } from './errors.ts'
import type { AnswerClientError } from './http/client-error.ts'
import type { ErrorAnswer } from './http/error-answer.ts'
import { framingProblem, hasBody } from './http/framing.ts'
import { foldPath, pathOf } from './http/request-target.ts'
import { type Handler, inTurn, mustWait } from './http/turns.ts'
import type { Options } from './options.ts'
import type { createProxy } from './proxy/proxy.ts'
import { isUnder } from './proxy/target.ts'
import { beginUpgrade } from './proxy/upgrade.ts'
import { attachTo } from './servers.ts'
import type { Spa } from './spa/spa.ts'
import type { Say } from './telemetry/events.ts'

/** Who answers a request, however it has come in. */
export interface RequestStack {
  /** Answers any request. */
  handle: Handler
  /** Answers what is ours, and passes on what is not. */
  router(request: IncomingMessage, response: ServerResponse, next: () => void): void
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  attach(server: Server): void
}

/** @param parts `spa`: `null` when none is served */
export function createRequestStack(parts: {
  options: Options
  endpoints: Handler
  proxy: ReturnType<typeof createProxy>
  spa: Spa | null
  answer: ErrorAnswer
  clientError: AnswerClientError
  say: Say
}): RequestStack {
  const { endpoints, proxy, spa, answer, clientError, say } = parts
  const { basePath, routes } = parts.options
  const ownPaths = [basePath, ...routes.map((route) => route.path)].map((path) => path.toLowerCase())

  const refuse =
    (problem: ProblemName): Handler =>
    (request, response) =>
      answer.problem(request, response, new BffError(problem))

  /**
   * The request stack, in order: who answers, or `null` for what is not ours.
   * @param passOn for what only the SPA finds not to be ours
   */
  function handlerFor(incoming: IncomingMessage, outgoing: ServerResponse, passOn?: () => void): Handler | null {
    const path = pathOf(incoming)
    const oddity = framingProblem(incoming, outgoing)
    if (oddity !== null) return refuse(oddity)
    if (!path.startsWith('/')) return refuse('bad_target')
    if (isUnder(path, basePath)) return endpoints
    const forward = proxy.handlerFor(path)
    if (forward !== null) {
      if (proxy.upgrades(incoming)) return refuseUpgrade(incoming, outgoing)
      return (request, response) =>
        void forward(request, response, null).catch((error: unknown) => answer.problem(request, response, error))
    }
    const folded = foldPath(path)
    if (folded === null) return refuse('bad_target')
    // Somebody means one of our paths, and would be let past its checks by whoever folds as they do.
    if (ownPaths.some((own) => isUnder(folded, own))) return refuse('no_route')
    return spa && ((request, response) => spa(request, response, passOn))
  }

  /**
   * Refuses a handshake that came as a plain request: it has to wait, or does not ask for its connection, or the server it
   * came by was not given to `attach`, which is said.
   */
  function refuseUpgrade(request: IncomingMessage, response: ServerResponse) {
    const asksForConnection = /\bupgrade\b/i.test(request.headers.connection ?? '')
    if (asksForConnection && !mustWait(request, response)) {
      say('upgrade_not_attached', { remedy: 'call bff.attach(server)' })
    }
    return refuse('bad_request')
  }

  const upgrade: RequestStack['upgrade'] = (request, socket, head) => {
    const upgrading = beginUpgrade(request, socket, head)
    if (upgrading === null) return
    const { response } = upgrading
    const forward = proxy.handlerFor(pathOf(request))
    const oddity = framingProblem(request, response)
    if (oddity !== null) return refuse(oddity)(request, response)
    if (forward === null || !proxy.upgrades(request)) return refuse('no_route')(request, response)
    // Others may take its body for frames, or the first frames for its body.
    if (hasBody(request)) return refuse('bad_request')(request, response)
    forward(request, response, upgrading).catch((error: unknown) => answer.problem(request, response, error))
  }

  const refuseConnect: RequestStack['upgrade'] = (request, socket, head) => {
    const connecting = beginUpgrade(request, socket, head)
    if (connecting === null) return
    const allow = proxy.methodsFor(pathOf(request))
    answer.problem(request, connecting.response, new BffError('method_not_allowed', { allow }))
  }

  const isRoute = (request: IncomingMessage) => proxy.handlerFor(pathOf(request)) !== null

  return {
    handle: (request, response) => inTurn(request, response, handlerFor(request, response) ?? refuse('no_route')),
    router(request, response, next) {
      const { url } = request
      request.url = askedFor(request)
      const passOn = () => {
        request.url = url
        next()
      }
      const handler = handlerFor(request, response, passOn)
      if (handler === null) passOn()
      else inTurn(request, response, handler)
    },
    upgrade,
    attach: (server) => attachTo(server, { isRoute, upgrades: proxy.upgrades, upgrade, refuseConnect, clientError }),
  }
}

/** The target as the client sent it: ours are whole paths, of which Express takes off what a middleware is mounted on. */
function askedFor({ url, baseUrl, originalUrl }: IncomingMessage & { baseUrl?: string; originalUrl?: string }) {
  return baseUrl ? originalUrl : url
}
