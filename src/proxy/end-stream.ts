import type { ServerResponse } from 'node:http'

/** How long a client may take to read what is still on its way once its session has ended, in milliseconds. */
const restMs = 500

/**
 * Ends a stream of events before its upstream has.
 * @param hasLength whether the client was told how long it will be: it would wait for the rest, on a connection that lives
 */
export function endStream(response: ServerResponse, hasLength: boolean): void {
  if (hasLength) return void response.destroy()
  response.end()
  const timer = setTimeout(() => response.destroy(), restMs).unref()
  response.once('close', () => clearTimeout(timer))
}
