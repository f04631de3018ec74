import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerClientError } from './http/client-error.ts'
import { holdContinue } from './http/expect-continue.ts'

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

/** What of a server's events is ours. */
export interface Attached {
  isRoute(request: IncomingMessage): boolean
  upgrades(request: IncomingMessage): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** Listens for what does not come by way of a request handler. What is not ours is left to whoever else listens. */
export function attachTo(server: Server, { isRoute, upgrades, upgrade }: Attached): void {
  // On our routes, whatever else asks for an upgrade (h2c, say) is served as if it had not.
  const shouldUpgradeCallback = (request: IncomingMessage) =>
    upgrades(request) || (!isRoute(request) && server.listenerCount('upgrade') > 1)
  Object.assign(server, { shouldUpgradeCallback })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (upgrades(request)) upgrade(request, socket, head)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (isRoute(request)) holdContinue(request)
    else response.writeContinue()
    server.emit('request', request, response)
  })
  server.on('clientError', answerClientError)
}
