import type { ServerResponse } from 'node:http'

/** Calls back when the client has taken what was written. */
export function onceTaken(response: ServerResponse, taken: () => void): void {
  // Node would go on waiting for a client that has ended its side and takes nothing any more.
  const { socket } = response
  const gone = () => response.destroy()
  socket?.once('end', gone)
  response.once('drain', () => {
    socket?.off('end', gone)
    taken()
  })
}
