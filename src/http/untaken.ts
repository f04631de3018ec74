import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { responseUnderWay } from './turns.ts'

/** How often it is looked, in each limit. */
const ticks = 10

interface Seen {
  takenBytes: number
  /** For so many looks in turn nothing was taken of what waits. */
  stuckTicks: number
}

/**
 * Closes connections whose client takes nothing of an answer; Node would keep it, and what it is read from, for ever. Told
 * by looking now and then: listening to each response, or a timer for it, would cost more than most responses do.
 * @param limitMs how long nothing may be taken (and up to a fifth more)
 */
export function limitUntaken(server: Server, limitMs: number): void {
  const open = new Map<Socket, Seen>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, { takenBytes: 0, stuckTicks: 0 })
    socket.once('close', () => open.delete(socket))
  })
  const look = setInterval(() => {
    for (const [socket, seen] of open) {
      if (isStuck(socket, seen)) socket.destroy()
    }
  }, limitMs / ticks).unref()
  server.once('close', () => clearInterval(look))
}

function isStuck(socket: Socket, seen: Seen): boolean {
  const takenBytes = socket.bytesWritten - socket.writableLength
  // What has been upgraded has no response any more, and limits of its own.
  const waits = socket.writableLength > 0 && responseUnderWay(socket) !== null
  seen.stuckTicks = waits && takenBytes === seen.takenBytes ? seen.stuckTicks + 1 : 0
  seen.takenBytes = takenBytes
  return seen.stuckTicks > ticks
}
