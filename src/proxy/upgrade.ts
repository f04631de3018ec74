import { type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { linger } from '../http/linger.ts'
import { responseUnderWay } from '../http/turns.ts'
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
  /** For a handshake that is answered by plain HTTP after all; the connection closes behind it. */
  response: ServerResponse
  /** Leaves the socket to whoever reads from it now. @returns what the browser has sent behind its handshake already */
  handOver(): Buffer
}

/** The one protocol that connections are upgraded to (RFC 6455, section 4.1), and only from HTTP/1.1. */
export function isWebSocketHandshake({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion !== '1.0' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Whether an upstream that leaves HTTP goes where it was asked to (RFC 6455, section 4.1). */
export function switchesToWebSocket({ upgrade }: IncomingHttpHeaders): boolean {
  return String(upgrade).toLowerCase() === 'websocket' // of several lines undici makes a list
}

/**
 * @param duplex as Node's server hands it to its `upgrade` event
 * @returns `null` when a request before it is not answered yet: there is nothing that could be said, and the connection
 *   has been closed
 */
export function beginUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): Upgrading | null {
  const socket = duplex as Socket // it is one, or a TLS socket; only with a body, for which it is refused, another Duplex
  socket.on('error', brokeOff)
  if (responseUnderWay(request.socket) !== null) {
    socket.destroy()
    return null
  }
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Until the upstream has agreed we read, or it would not be seen that the browser has left.
  const early = [head]
  let earlyBytes = head.length
  const keep = (chunk: Buffer) => {
    early.push(chunk)
    earlyBytes += chunk.length
    if (earlyBytes > mostEarlyBytes) socket.destroy()
  }
  const left = () => void socket.destroy()
  // Node's server does this for the responses that it makes itself.
  const drained = () => void response.emit('drain')
  const handOver = () => {
    socket.off('data', keep).off('end', left).off('drain', drained)
    return Buffer.concat(early)
  }
  socket.on('data', keep).once('end', left).on('drain', drained)
  response.once('finish', () => {
    handOver()
    linger(socket)
  })
  return { socket, response, handOver }
}

/** On its own, as a listener made above would keep the handshake, its response and what came early for as long as the socket. */
function brokeOff(this: Socket): void {
  this.destroy()
}

/** Browsers send nothing behind a handshake before it is answered (RFC 6455, section 4.1); others may send so much. */
const mostEarlyBytes = 65_536

/**
 * Completes a handshake to which the upstream has agreed, and ties the two sockets together.
 * @param idleMs how long nothing may pass; `null` for ever
 */
export function acceptWebSocket(
  { socket, response, handOver }: Upgrading,
  upstream: Duplex,
  received: IncomingHttpHeaders,
  rules: HeaderRules,
  idleMs: number | null,
  bind: Bind,
): void {
  response.detachSocket(socket)
  const early = handOver()
  const answer = rules.response(received)
  const told = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']
  const lines = told.flatMap((name) => (answer[name] === undefined ? [] : [`${name}: ${String(answer[name])}`]))
  const status = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade']
  socket.write([...status, ...lines, '', ''].join('\r\n'))
  if (early.length > 0) upstream.write(early)
  const tunnel = createTunnel(socket, upstream, idleMs, {
    used: () => bound.used(),
    closed: () => bound.release(),
  })
  const bound = bind(tunnel.close)
}
