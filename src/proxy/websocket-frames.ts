import type { Closing } from '../tokens/open-streams.ts'

/**
 * Close frames as a server sends them: not masked (RFC 6455, sections 5.1 and 5.5.1). 4401 is ours (section 7.4.2): log
 * in before you come again; 1001 is everybody's (section 7.4.1): come again at once, to another node.
 */
export const closeFrames: Readonly<Record<Closing['is'], Buffer>> = {
  ended: closeFrame(4401, 'session ended'),
  'going-away': closeFrame(1001, 'going away'),
}

function closeFrame(code: number, reason: string): Buffer {
  return Buffer.concat([Buffer.from([0x88, 2 + reason.length, code >> 8, code & 0xff]), Buffer.from(reason)])
}

/**
 * Follows a stream of frames (RFC 6455, section 5.2) only so far as to tell where one ends: a close frame of our own may
 * be put in there and nowhere else.
 */
export interface FrameBoundary {
  /**
   * Takes notice of bytes that are sent.
   * @param onlyThisFrame leave off where the frame that is under way ends
   * @returns how many bytes were taken notice of
   */
  advance(chunk: Buffer, onlyThisFrame?: boolean): number
  /** Whether everything sent so far makes whole frames. */
  readonly isReached: boolean
}

export function createFrameBoundary(): FrameBoundary {
  let payloadLeft = 0
  // A frame's head may come in pieces: 2 bytes, up to 8 more of length, 4 of mask.
  let head: number[] = []

  return {
    get isReached() {
      return payloadLeft === 0 && head.length === 0
    },
    advance(chunk, onlyThisFrame = false) {
      let at = 0
      while (at < chunk.length) {
        if (payloadLeft > 0) {
          const step = Math.min(payloadLeft, chunk.length - at)
          payloadLeft -= step
          at += step
        } else {
          head.push(chunk[at] ?? 0)
          at += 1
          if (head.length === headLength(head)) {
            payloadLeft = payloadLength(head)
            head = []
          }
        }
        if (onlyThisFrame && payloadLeft === 0 && head.length === 0) break
      }
      return at
    },
  }
}

function headLength([, second]: readonly number[]): number {
  if (second === undefined) return 2
  const length = second & 0x7f
  const isMasked = (second & 0x80) !== 0
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (isMasked ? 4 : 0)
}

function payloadLength(head: readonly number[]): number {
  const length = (head[1] ?? 0) & 0x7f
  if (length < 126) return length
  return head.slice(2, length === 126 ? 4 : 10).reduce((sum, byte) => sum * 256 + byte, 0)
}
