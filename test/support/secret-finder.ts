/** Length of the piece of a secret that is looked for first; no secret may be shorter. */
const windowLength = 16

const base = 0x01000193
/** `base` to the power of `windowLength`, modulo 2^32: what the byte leaving the window is worth. */
const leaving = Array.from({ length: windowLength }).reduce<number>((power) => Math.imul(power, base), 1)

/** Adds to `found` what is known about every secret that stands anywhere in `bytes`. */
type Finder<Known> = (bytes: Buffer, found: Set<Known>) => void

/**
 * Looks for thousands of secrets in one pass (Rabin-Karp over the last bytes of each): what stands around a secret does
 * not matter, and the time does not depend on how many there are. Of a JWT, payload and signature are each a secret of
 * their own, its header is not: all tokens of a provider share it.
 */
export function createSecretFinder<Known>(secrets: Iterable<readonly [value: string, known: Known]>): Finder<Known> {
  const byHash = new Map<number, { piece: Buffer; known: Known }[]>()
  const mayBe = new Uint8Array(1 << 22)
  for (const [value, known] of secrets) {
    for (const piece of piecesOf(value)) {
      const bytes = Buffer.from(piece)
      const hash = hashOf(bytes.subarray(-windowLength))
      const bucket = byHash.get(hash)
      if (bucket) bucket.push({ piece: bytes, known })
      else byHash.set(hash, [{ piece: bytes, known }])
      mayBe[hash >>> 10] = 1
    }
  }
  return (bytes, found) => {
    let hash = 0
    for (let end = 0; end < bytes.length; end += 1) {
      const left = end < windowLength ? 0 : Math.imul(byteAt(bytes, end - windowLength), leaving)
      hash = (Math.imul(hash, base) + byteAt(bytes, end) - left) | 0
      if (mayBe[hash >>> 10] === 0) continue
      for (const { piece, known } of byHash.get(hash) ?? []) {
        const start = end + 1 - piece.length
        if (start >= 0 && piece.equals(bytes.subarray(start, end + 1))) found.add(known)
      }
    }
  }
}

function piecesOf(secret: string): string[] {
  const parts = secret.split('.')
  const isJwt = secret.startsWith('eyJ') && (parts.length === 3 || parts.length === 5)
  const pieces = isJwt ? parts.slice(1).filter((part) => part.length >= windowLength) : []
  return pieces.length > 0 ? pieces : [secret]
}

function hashOf(window: Buffer): number {
  return window.reduce((hash, byte) => (Math.imul(hash, base) + byte) | 0, 0)
}

function byteAt(bytes: Buffer, index: number): number {
  return bytes[index] ?? 0
}
