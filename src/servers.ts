import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AnswerClientError } from './http/client-error.ts'
import { holdContinue } from './http/expect-continue.ts'
import { hasBody } from './http/framing.ts'
import { closeBehind } from './http/linger.ts'
import { lastOwed, noteOrder, responseUnderWay } from './http/turns.ts'
import { limitUntaken } from './http/untaken.ts'

/** Longer than load balancers keep theirs: of two ends that keep a connection the one that asks has to close it. */
const keepAliveMs = 65_000

/** Node's own limit for a head, which it takes back along with the one for a whole request. */
const headMs = 60_000

/**
 * A server of our own. A request may take as long as it likes to arrive, so long as it keeps coming; so may an answer.
 * @param pauseMs how long nothing of a body may come, or nothing of an answer be taken, before its connection is closed
 */
export function createOwnServer(handle: RequestListener, pauseMs: number): Server {
  // What has no Host is ours to refuse: Node would, and then hand over what lies behind it.
  const options = { keepAliveTimeout: keepAliveMs, requestTimeout: 0, headersTimeout: headMs, requireHostHeader: false }
  const server = createServer(options, (request, response) => {
    // It came while the server stops, behind a request that was in flight then.
    if (!server.listening) closeBehind(response)
    if (!request.complete && hasBody(request)) limitPauses(request, response, pauseMs)
    handle(request, response)
  })
  limitUntaken(server, pauseMs)
  return server
}

function limitPauses(request: IncomingMessage, response: ServerResponse, pauseMs: number): void {
  const { socket } = request // which undici takes away when it is done with the request
  request.setTimeout(pauseMs, () => request.destroy())
  request.once('end', () => {
    // From the end of the response on the limit is the one of a connection that is kept.
    if (!response.writableFinished) socket.setTimeout(0)
  })
}

/** Resolves when the server listens. @throws the system's error, such as EADDRINUSE */
export async function startServer(server: Server, port: number, host: string): Promise<void> {
  spareAnswers(server)
  server.listen(port, host)
  await once(server, 'listening')
}

/** Stops accepting, and resolves when the last request in flight has been answered. */
export async function stopServer(server: Server): Promise<void> {
  const closed = untilClosed(server)
  server.close()
  for (const socket of connections.get(server) ?? []) {
    const last = lastOwed(socket)
    // If its head is still to be written it says so, and no request comes to a connection that has just been closed.
    if (last !== null) closeBehind(last)
  }
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

/** The open connections of servers that spare answers. */
const connections = new WeakMap<Server, Set<Duplex>>()

/**
 * Keeps a server that closes idle connections from those whose answers have not been taken. Node counts a response as over
 * when it has been ended, though its last bytes may wait in the process until a slow client makes room for them, and other
 * requests behind it.
 */
function spareAnswers(server: Server): void {
  if (connections.has(server)) return
  const open = new Set<Duplex>()
  connections.set(server, open)
  // Over TLS the requests come by another socket than the one that was accepted.
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Duplex) => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    })
  }
  const theirs = server.closeIdleConnections
  server.closeIdleConnections = () => {
    const underWay = [...open].map(responseUnderWay).filter((response) => response !== null)
    const untaken = underWay.filter(({ writableEnded }) => writableEnded)
    // Node asks for nothing else, and has no other way to be told.
    for (const response of untaken) response.finished = false
    theirs.call(server)
    for (const response of untaken) response.finished = true
  }
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
  spareAnswers(server)
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
