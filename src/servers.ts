import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AnswerClientError } from './http/client-error.ts'
import { holdContinue } from './http/expect-continue.ts'
import { hasBody } from './http/framing.ts'
import { noteOrder, responseUnderWay } from './http/turns.ts'

/** Longer than load balancers keep theirs: of two ends that keep a connection the one that asks has to close it. */
const keepAliveMs = 65_000

/** Node's own limit for a head, which it takes back along with the one for a whole request. */
const headMs = 60_000

/**
 * A server of our own. A request may take as long as it likes to arrive, so long as it keeps coming.
 * @param pauseMs how long nothing of a body may come before its connection is closed
 */
export function createOwnServer(handle: RequestListener, pauseMs: number): Server {
  // What has no Host is ours to refuse: Node would, and then hand over what lies behind it.
  const options = { keepAliveTimeout: keepAliveMs, requestTimeout: 0, headersTimeout: headMs, requireHostHeader: false }
  return createServer(options, (request, response) => {
    if (!request.complete && hasBody(request)) limitPauses(request, response, pauseMs)
    handle(request, response)
  })
}

function limitPauses(request: IncomingMessage, response: ServerResponse, pauseMs: number): void {
  request.setTimeout(pauseMs, () => request.destroy())
  request.once('end', () => {
    // From the end of the response on the limit is the one of a connection that is kept.
    if (!response.writableFinished) request.socket.setTimeout(0)
  })
}

/** Resolves when the server listens. @throws the system's error, such as EADDRINUSE */
export async function startServer(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

/** Stops accepting, and resolves when the last request in flight has been answered. */
export async function stopServer(server: Server): Promise<void> {
  const closed = untilClosed(server)
  server.close()
  await closed
}

/** Resolves when a server that accepts nothing more has answered the last request in flight. */
export async function untilClosed(server: Server): Promise<void> {
  const closed = once(server, 'close')
  // A connection whose request was in flight just now is idle a moment later, and would be kept alive.
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  await closed
  clearInterval(sweep)
}

/** What of a server's events is ours. */
export interface Attached {
  isRoute(request: IncomingMessage): boolean
  upgrades(request: IncomingMessage): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Answers a CONNECT. */
  refuseConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void
  clientError: AnswerClientError
}

/** All of us that listen to a server. */
const attached = new WeakMap<Server, Attached[]>()

/**
 * Listens for what does not come by way of a request handler. What is not ours is left to whoever else listens; where
 * several of us do, they are one: the routes of all of them are ours, and the first answers for what is nobody's.
 */
export function attachTo(server: Server, one: Attached): void {
  const before = attached.get(server)
  if (before !== undefined) return void before.push(one)
  const all = [one]
  attached.set(server, all)
  if (server.keepAliveTimeout > 0) server.keepAliveTimeout = Math.max(server.keepAliveTimeout, keepAliveMs)
  const ownerOf = (request: IncomingMessage) => all.find(({ isRoute }) => isRoute(request))
  const elseListens = (event: string) => server.listenerCount(event) > 1

  const asked = server as Server & { shouldUpgradeCallback: (request: IncomingMessage) => boolean } // its types lack it
  const theirs = asked.shouldUpgradeCallback
  asked.shouldUpgradeCallback = (request) => {
    const owner = ownerOf(request)
    // Where nobody has set it, it is Node's, to which we ourselves would do for somebody who listens.
    if (owner === undefined) return elseListens('upgrade') && theirs.call(server, request)
    // On our routes, whatever else asks for an upgrade (h2c, say) is served as if it had not; so is a handshake behind a
    // request that is not answered yet: the connection is not its own.
    return owner.upgrades(request) && responseUnderWay(request.socket) === null
  }
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const owner = ownerOf(request)
    if (owner?.upgrades(request)) owner.upgrade(request, socket, head)
  })
  // Node would close the connection without a word.
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const answering = ownerOf(request) ?? (elseListens('connect') ? null : one)
    answering?.refuseConnect(request, socket, head)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (ownerOf(request) !== undefined) holdContinue(request)
    else if (elseListens('checkContinue')) return
    else response.writeContinue()
    server.emit('request', request, response)
  })
  server.prependListener('request', noteOrder)
  server.on('clientError', one.clientError)
}
