import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import { type buildConnector, Client, type Dispatcher } from 'undici'

/** A handler that is told which connection its request is given to. */
export interface Passenger extends Dispatcher.DispatchHandler {
  connection?: Connection
}

/** One connection at a time, as undici's client has, which says how much has been heard on it. */
export class Connection extends Client {
  #socket: Socket | null = null

  constructor(origin: URL, options: Client.Options, connector: buildConnector.connector) {
    const connect: buildConnector.connector = (target, done) =>
      connector(target, (...result) => {
        this.#socket = result[1]
        if (result[0] === null) hearOut(result[1])
        done(...result)
      })
    super(origin, { ...options, connect })
  }

  /** Since it was made: more than none before a request means that the connection has served another one. */
  get heardBytes(): number {
    return this.#socket?.bytesRead ?? 0
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Passenger): boolean {
    handler.connection = this
    return super.dispatch(options, handler)
  }
}

/**
 * An upstream may answer before it has heard a request out, and reset the connection because there is more of it
 * (RFC 9112, section 9.6). Its answer is there to be read, on Linux even after the reset, but Node would drop it with the
 * connection as soon as something cannot be written. So a writer learns that the other side has gone when there is
 * nothing left to read.
 */
function hearOut(socket: Socket): void {
  const { _write, _writev } = socket
  const last = (done: WriteCallback) => (error?: NodeJS.ErrnoException | null) => {
    if (error?.code !== 'ECONNRESET' && error?.code !== 'EPIPE') done(error)
    else finished(socket, { writable: false }, () => done(error))
  }
  socket._write = (chunk, encoding, done) => _write.call(socket, chunk, encoding, last(done))
  socket._writev = (chunks, done) => _writev?.call(socket, chunks, last(done))
}

type WriteCallback = (error?: Error | null) => void
