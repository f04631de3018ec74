import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers a request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** The last response on a connection that has had to wait for others. */
const waiting = new WeakMap<Duplex, ServerResponse>()

/**
 * Handles a request when it is its turn to be answered, as if its client had waited for the answer before. Node would have
 * all of them handled as they come (RFC 9112, section 9.3.2), as many as a client likes to send: what is opened for one
 * whose turn never comes would be left behind, and what is written for it would heap up.
 */
export function inTurn(request: IncomingMessage, response: ServerResponse, handle: Handler): void {
  if (mustWait(request, response)) {
    waiting.set(request.socket, response)
    response.once('socket', () => handle(request, response))
  } else handle(request, response)
}

/** Whether an earlier request on its connection has yet to be answered. */
export function mustWait({ socket }: IncomingMessage, response: ServerResponse): boolean {
  const current = responseUnderWay(socket)
  return current !== null && current !== response
}

/** The response to the last request that came by a connection, if it is not written yet. */
export function lastOwed(socket: Duplex): ServerResponse | null {
  const last = waiting.get(socket)
  return last === undefined || last.writableFinished ? responseUnderWay(socket) : last
}

/** The response that is being written to a connection, `null` when there is none. Node tells in no other way. */
export function responseUnderWay(socket: Duplex): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}
