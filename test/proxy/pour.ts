import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const piece = Buffer.alloc(65_536, 'x')

/** What is being sent as fast as it is taken. */
export interface Poured {
  readonly total: number
  /** How much has been taken so far. */
  readonly bytes: number
}

/** Sends so many bytes as fast as they are taken. */
export function pour(socket: Socket, total: number): Poured {
  let bytes = 0
  const more = () => {
    while (bytes < total) {
      const length = Math.min(piece.length, total - bytes)
      bytes += length
      if (!socket.write(piece.subarray(0, length))) return
    }
  }
  socket.on('drain', more)
  more()
  return {
    total,
    get bytes() {
      return bytes
    },
  }
}

/** Resolves when nothing has been taken any more for a while. @throws when most of it was */
export async function stalled(poured: Poured): Promise<void> {
  // Whoever is only held up for a moment takes nothing in it either.
  for (let before = -1, unchanged = 0; unchanged < 3; await pause(250)) {
    unchanged = poured.bytes === before ? unchanged + 1 : 0
    before = poured.bytes
  }
  assert.ok(poured.bytes < poured.total / 2, `${poured.bytes} bytes of ${poured.total} were taken`)
}
