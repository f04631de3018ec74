import { type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { linger } from '../http/linger.ts'
import type { Closing } from '../tokens/open-streams.ts'
import type { HeaderRules } from './headers.ts'
import { createTunnel } from './websocket-tunnel.ts'

/** Ties what stays open to the session: told how to close it, returns what takes it off again. */
export type Bind = (close: (closing: Closing) => void) => () => void

/** The browser's side of a WebSocket that is being opened. */
export interface Upgrading {
  socket: Duplex
  /** What the browser has sent behind its handshake already. */
  head: Buffer
}

/** The one protocol that connections are upgraded to (RFC 6455, section 4.1). */
export function isWebSocketHandshake({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Completes a handshake to which the upstream has agreed, and ties the two sockets together.
 */
export function acceptWebSocket(
  { socket, head }: Upgrading,
  upstream: Duplex,
  received: IncomingHttpHeaders,
  rules: HeaderRules,
  bind: Bind,
): void {
  const answer = rules.response(received)
  const told = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']
  const lines = told.flatMap((name) => (answer[name] === undefined ? [] : [`${name}: ${String(answer[name])}`]))
  const status = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade']
  socket.write([...status, ...lines, '', ''].join('\r\n'))
  if (head.length > 0) upstream.write(head)
  let release = () => {}
  const tunnel = createTunnel(socket, upstream, () => release())
  release = bind(tunnel.close)
}

/** A response for a handshake that is answered by plain HTTP after all; the connection closes behind it. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket) // what Node's server hands to `upgrade` is one, or a TLS socket
  response.once('finish', () => linger(socket))
  return response
}
