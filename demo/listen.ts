import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * Listens and returns the port, which the system chooses when `port` is 0. A port that is taken rejects with one
 * sentence that names it.
 */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, port, host)))
    // A TCP server's address is an AddressInfo; only pipes have a string.
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

/** Stops listening and cuts what is still open, so that an event stream does not hold the process. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function explain(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code !== 'EADDRINUSE') return error
  return new Error(`Port ${port} on ${host} is already in use. Stop the program that has it, then start again.`, {
    cause: error,
  })
}
