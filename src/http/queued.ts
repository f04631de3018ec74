import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { linger } from './linger.ts'
import { responseUnderWay } from './under-way.ts'

/** Responses that wait for an earlier one on their connection. */
const queues = new WeakMap<Duplex, Set<ServerResponse>>()

/** The response to the last request that came by a connection, if it is not written yet. */
export function lastOwed(socket: Duplex): ServerResponse | null {
  const waiting = [...(queues.get(socket) ?? [])]
  return waiting.findLast((response) => !response.writableFinished) ?? responseUnderWay(socket)
}

/**
 * Sees to it that a response which waits for an earlier one closes when its connection does: Node does so too, but not
 * once a request behind it has asked for an upgrade or a tunnel. And that the connection ends with one which was broken
 * off meanwhile: Node would write what there is of it, and leave the client waiting for the rest.
 */
export function closeWithConnection({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.socket !== null) return
  const queue = queues.get(socket) ?? new Set()
  if (!queues.has(socket)) {
    queues.set(socket, queue)
    socket.once('close', () => {
      for (const waiting of queue) waiting.destroy()
    })
  }
  queue.add(response)
  response.once('close', () => {
    queue.delete(response)
    if (response.writableEnded) return
    // Not before what there is has been written, so that it looks like half a response.
    response.once('socket', (assigned) => process.nextTick(linger, assigned))
  })
}
