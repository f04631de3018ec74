import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import type { Certificate } from './certificate.ts'

export interface Address {
  host: string
  port: number
}

/** A TCP relay between clients and a server, with the faults a network has. */
export interface Relay extends AsyncDisposable {
  port: number
  /** `http://localhost:<port>`, or https where it has a certificate. */
  origin: string
  /** Client connections open at this moment. */
  readonly openConnections: number
  /** Where connections go from now on. Until it is known they wait. */
  forwardTo(target: Address): void
  /** Resets every connection, and every new one until `release`. */
  cut(): void
  /** Accepts connections and bytes, passes nothing on in either direction until `release`. */
  hold(): void
  release(): void
  close(): Promise<void>
}

export interface RelayOptions {
  target?: Address
  /** @default a free one */
  port?: number
  /** Clients come by TLS, which ends here: the server is spoken to in plain text, and told nothing of it. */
  certificate?: Certificate
  /** Called once per client connection; what it returns sees every chunk before it is sent to that client. */
  onConnection?: () => (toClient: Buffer) => void
}

/**
 * Starts a relay on 127.0.0.1. It adds nothing: half-close, backpressure and, but for TLS, resets pass as they came.
 */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  let mode: 'forward' | 'hold' | 'cut' = 'forward'
  let target = options.target
  const waiting = new Set<() => void>()
  const clients = new Map<Socket, () => void>()

  const begin = (client: Socket): void => {
    if (client.destroyed) return
    if (mode === 'hold' || target === undefined) {
      waiting.add(() => begin(client))
      return
    }
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true })
    const see = options.onConnection?.()
    const up = pump(client, server, () => mode === 'hold')
    const down = pump(server, client, () => mode === 'hold', see)
    clients.set(client, () => {
      up()
      down()
    })
  }
  const resume = (): void => {
    const begun = [...waiting]
    waiting.clear()
    for (const start of begun) start()
  }

  const accept = (client: Socket): void => {
    clients.set(client, () => {})
    client.once('close', () => clients.delete(client))
    client.on('error', () => {
      // Passed on by the pump; before that there is nobody to tell.
    })
    if (mode === 'cut') resetSocket(client)
    else begin(client)
  }
  const { certificate } = options
  const listener =
    certificate === undefined
      ? createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, accept)
      : createTlsServer({ ...certificate, allowHalfOpen: true, noDelay: true, handshakeTimeout: 10_000 }, accept)
  listener.listen(options.port ?? 0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')

  const reset = (): void => {
    for (const client of clients.keys()) resetSocket(client)
  }
  const close = async (): Promise<void> => {
    const closed = once(listener, 'close')
    listener.close()
    reset()
    await closed
  }
  return {
    port: address.port,
    origin: `${certificate === undefined ? 'http' : 'https'}://localhost:${address.port}`,
    get openConnections() {
      return clients.size
    },
    forwardTo: (next) => {
      target = next
      resume()
    },
    cut: () => {
      mode = 'cut'
      reset()
    },
    hold: () => {
      mode = 'hold'
      for (const poke of clients.values()) poke()
    },
    release: () => {
      mode = 'forward'
      resume()
      for (const poke of clients.values()) poke()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Moves bytes one way. The function returned looks again at whether they are held. */
function pump(from: Socket, to: Socket, held: () => boolean, see?: (chunk: Buffer) => void): () => void {
  let full = false
  const look = (): void => {
    if (full || held()) from.pause()
    else from.resume()
  }
  from.on('data', (chunk: Buffer) => {
    see?.(chunk)
    full = !to.write(chunk)
    if (full) from.pause()
  })
  to.on('drain', () => {
    full = false
    look()
  })
  from.on('end', () => to.end())
  from.on('error', () => resetSocket(to))
  // Closed without an end: we reset it ourselves, or the other pump did.
  from.on('close', () => {
    if (!from.readableEnded) resetSocket(to)
  })
  look()
  return look
}

/**
 * RST. Not after FIN: libuv refuses, and Node.js then forgets to close the handle and never comes to its end. Nor has
 * TLS any.
 */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded || socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}
