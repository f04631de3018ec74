import type { Socket } from 'node:net'
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
