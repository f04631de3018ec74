import { type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { linger } from '../http/linger.ts'
import { responseUnderWay } from '../http/under-way.ts'
import type { Closing } from '../tokens/open-streams.ts'
import type { HeaderRules } from './headers.ts'
import { createTunnel } from './websocket-tunnel.ts'

/** Ties what stays open to the session: told how to close it. */
export type Bind = (close: (closing: Closing) => void) => Bound

export interface Bound {
  /** Told whenever something passes. */
  used(): void
  /** Takes it off again. */
  release(): void
}

/** The browser's side of a WebSocket that is being opened. */
export interface Upgrading {
  socket: Socket
  /** What the browser has sent behind its handshake already. */
  head: Buffer
  /** For a handshake that is answered by plain HTTP after all; the connection closes behind it. */
  response: ServerResponse
  /** Leaves the socket to whoever reads from it now. */
  handOver(): void
}

/** The one protocol that connections are upgraded to (RFC 6455, section 4.1), and only from HTTP/1.1. */
export function isWebSocketHandshake({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion !== '1.0' && headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * @param duplex as Node's server hands it to its `upgrade` event
 * @returns `null` when a request before it is not answered yet: there is nothing that could be said, and the connection
 *   has been closed
 */
export function beginUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): Upgrading | null {
  const socket = duplex as Socket // it is one, or a TLS socket, which is one too
  socket.on('error', () => socket.destroy())
  if (responseUnderWay(request.socket) !== null) {
    socket.destroy()
    return null
  }
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Until the upstream has agreed nobody reads, and that the browser has left would not be seen. With nothing there,
  // reading brings out the end; what is there stays.
  const look = () => void (socket.readableLength === 0 && socket.read())
  const left = () => void socket.destroy()
  const handOver = () => void socket.off('readable', look).off('end', left)
  socket.on('readable', look).once('end', left)
  response.once('finish', () => {
    handOver()
    linger(socket)
  })
  return { socket, head, response, handOver }
}

/**
 * Completes a handshake to which the upstream has agreed, and ties the two sockets together.
 * @param idleMs how long nothing may pass; `null` for ever
 */
export function acceptWebSocket(
  { socket, head, response, handOver }: Upgrading,
  upstream: Duplex,
  received: IncomingHttpHeaders,
  rules: HeaderRules,
  idleMs: number | null,
  bind: Bind,
): void {
  response.detachSocket(socket)
  handOver()
  const answer = rules.response(received)
  const told = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']
  const lines = told.flatMap((name) => (answer[name] === undefined ? [] : [`${name}: ${String(answer[name])}`]))
  const status = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade']
  socket.write([...status, ...lines, '', ''].join('\r\n'))
  if (head.length > 0) upstream.write(head)
  const tunnel = createTunnel(socket, upstream, idleMs, {
    used: () => bound.used(),
    closed: () => bound.release(),
  })
  const bound = bind(tunnel.close)
}
