import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** How long a client may take to hear its answer out once all of it has been sent, in milliseconds. */
const lingerMs = 5_000

/**
 * Makes a response the last one of its connection, and lets it arrive. Node would destroy the connection as soon as the
 * response is written; what of a request is unread at that moment makes the system reset the connection, and what is
 * still on its way to the client is lost.
 */
export function closeBehind(response: ServerResponse): void {
  response.shouldKeepAlive = false
  const socket = response.socket ?? response.req.socket // before its turn a response has none
  socket.destroySoon = () => linger(socket)
}

/** Closes our side; what still comes is neither parsed nor kept, until the other side closes too (RFC 9112, section 9.6). */
export function linger(socket: Duplex): void {
  if (socket.destroyed) return
  // Node's parser may have stopped the connection, starts it when this is said, and leaves it once somebody else listens.
  socket.once('resume', () => socket.removeAllListeners('data').on('data', () => undefined))
  socket.pause()
  socket.resume()
  socket.end()
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref()
  socket.once('close', () => clearTimeout(timer))
}
