import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers a request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Requests that may wait on one connection. No browser sends any before it has the answer to the one before. */
const mostWaiting = 100

/** How many wait. */
const waiting = new WeakMap<Duplex, number>()

/** The last response on a connection that has had to wait for others. */
const lastToWait = new WeakMap<Duplex, ServerResponse>()

/**
 * Handles a request when it is its turn to be answered, as if its client had waited for the answer before. Node would have
 * all of them handled as they come (RFC 9112, section 9.3.2), as many as a client likes to send: what is opened for one
 * whose turn never comes would be left behind, and what is written for it would heap up. Too many end their connection.
 */
export function inTurn(request: IncomingMessage, response: ServerResponse, handle: Handler): void {
  if (!mustWait(request, response)) return void handle(request, response)
  const { socket } = request
  const count = (waiting.get(socket) ?? 0) + 1
  if (count > mostWaiting) return void socket.destroy()
  waiting.set(socket, count)
  response.once('socket', () => {
    waiting.set(socket, (waiting.get(socket) ?? 0) - 1)
    handle(request, response)
  })
}

/** Told of every request that comes to a server, for `lastOwed`. */
export function noteOrder(request: IncomingMessage, response: ServerResponse): void {
  if (mustWait(request, response)) lastToWait.set(request.socket, response)
}

/** Whether an earlier request on its connection has yet to be answered. */
export function mustWait({ socket }: IncomingMessage, response: ServerResponse): boolean {
  const current = responseUnderWay(socket)
  return current !== null && current !== response
}

/** The response to the last request that came by a connection, if it is not written yet. @param socket of a noted server */
export function lastOwed(socket: Duplex): ServerResponse | null {
  const last = lastToWait.get(socket)
  return last === undefined || last.writableFinished ? responseUnderWay(socket) : last
}

/** The response that is being written to a connection, `null` when there is none. Node tells in no other way. */
export function responseUnderWay(socket: Duplex): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}
