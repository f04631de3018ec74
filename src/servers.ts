import { once } from 'node:events'
import type { Server } from 'node:http'

/** Resolves when the server listens. @throws the system's error, such as EADDRINUSE */
export async function startServer(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

/** Stops accepting, and resolves when the last request in flight has been answered. */
export async function stopServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  // A connection whose request was in flight just now is idle a moment later, and would be kept alive.
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  await closed
  clearInterval(sweep)
}
