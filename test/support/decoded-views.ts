/** One reading of some bytes, and how it was made: `url-decoded base64-decoded`. */
export interface View {
  name: string
  bytes: Buffer
}

/**
 * The bytes as they are, percent-decoded once and twice, and all of that base64-decoded once and twice. A run of base64
 * may begin anywhere in a longer word, so each is decoded from its first four characters on.
 */
export function* decodedViews(bytes: Buffer): Generator<View> {
  const once = percentDecode(bytes)
  const twice = percentDecode(once)
  yield* base64Views({ name: 'raw', bytes }, 2)
  if (once !== bytes) yield* base64Views({ name: 'url-decoded', bytes: once }, 2)
  if (twice !== once) yield* base64Views({ name: 'url-decoded twice', bytes: twice }, 2)
}

function* base64Views(view: View, depth: number): Generator<View> {
  yield view
  if (depth === 0) return
  const runs = view.bytes.toString('latin1').match(/[A-Za-z0-9+/_-]{16,}/g) ?? []
  if (runs.length === 0) return
  // Between two runs stands a byte that no secret holds: what was apart stays apart.
  const decoded = runs.flatMap((run) => [0, 1, 2, 3].flatMap((skip) => [Buffer.from(run.slice(skip), 'base64'), apart]))
  yield* base64Views({ name: `${view.name}, base64-decoded`, bytes: Buffer.concat(decoded) }, depth - 1)
}

const apart = Buffer.from([0])

/** Decodes what is well-formed and leaves the rest; the very same buffer if there was nothing to decode. */
function percentDecode(bytes: Buffer): Buffer {
  if (!bytes.includes('%')) return bytes
  const text = bytes.toString('latin1')
  const decoded = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return decoded === text ? bytes : Buffer.from(decoded, 'latin1')
}
