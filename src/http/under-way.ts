import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** The response that is being written to a connection, `null` when there is none. Node tells in no other way. */
export function responseUnderWay(socket: Duplex): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}
