import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Closing } from '../tokens/open-streams.ts'
import { closeFrames, createFrameBoundary } from './websocket-frames.ts'

/** How long a frame may take to come to its end once the session has, in milliseconds. */
const frameEndMs = 1_000

/** Two sockets that talk to each other through us. */
export interface Tunnel {
  /** Tells the browser why, at the next end of a frame, and closes both sides. */
  close(closing: Closing): void
}

/**
 * Passes bytes both ways as they come, at the pace of whoever is slower. Each side may end its half before the other.
 * @param idleMs closed when nothing passes for so long; `null` for never
 * @param told `used`: whenever something passes; `closed`: once, when both are closed
 */
export function createTunnel(
  browser: Socket,
  upstream: Duplex,
  idleMs: number | null,
  told: { used: () => void; closed: () => void },
): Tunnel {
  const boundary = createFrameBoundary()
  let ending: Closing | undefined
  let isGoodbyeSaid = false
  let open = 2

  function breakOff() {
    browser.destroy()
    upstream.destroy()
  }

  function sayGoodbye({ is }: Closing) {
    if (browser.writableEnded) return breakOff()
    isGoodbyeSaid = true
    browser.end(closeFrames[is])
    upstream.destroy()
    browser.resume() // the upstream may have been too slow for it
    // Whoever does not close their side in answer is not waited for.
    setTimeout(breakOff, frameEndMs).unref()
  }

  function close(closing: Closing) {
    if (ending !== undefined || browser.destroyed) return
    ending = closing
    if (boundary.isReached) return sayGoodbye(closing)
    setTimeout(breakOff, frameEndMs).unref()
  }

  function toBrowser(chunk: Buffer) {
    if (browser.writableEnded) return
    told.used()
    const taken = boundary.advance(chunk, ending !== undefined)
    if (!browser.write(chunk.subarray(0, taken))) upstream.pause()
    if (ending !== undefined && boundary.isReached) sayGoodbye(ending)
  }

  function tie(from: Duplex, to: Duplex) {
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    // Broken off on one side is broken off on the other; but not by us, whose goodbye is on its way behind what came before.
    from.on('error', () => to.destroy())
    from.on('close', () => {
      if (!from.readableEnded && !isGoodbyeSaid) to.destroy()
      open -= 1
      if (open === 0) told.closed()
    })
  }

  // Nobody else sets it, neither to an upstream nor over TLS.
  for (const side of [browser, upstream]) side.allowHalfOpen = true
  upstream.on('data', toBrowser)
  browser.on('data', (chunk: Buffer) => {
    // Nothing passes for a session that has ended; it is read for what follows: the end of its side.
    if (ending !== undefined) return
    told.used()
    if (!upstream.writableEnded && !upstream.write(chunk)) browser.pause()
  })
  tie(upstream, browser)
  tie(browser, upstream)
  // Bytes of either direction pass by this socket.
  if (idleMs !== null) browser.setTimeout(idleMs, () => close({ is: 'going-away' }))

  return { close }
}
