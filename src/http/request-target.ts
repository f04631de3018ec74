import type { IncomingMessage } from 'node:http'

/** The path of a request as it came, without its query. */
export function pathOf({ url = '' }: Pick<IncomingMessage, 'url'>): string {
  return url.split('?', 1)[0] ?? ''
}

/**
 * A path as a careless reader would understand it: decoded, slashes straightened, dot segments resolved, what hangs on a
 * segment dropped, case folded. Only for telling that somebody means one of our paths without saying so byte for byte.
 * @returns `null` when it cannot be decoded
 */
export function foldPath(path: string): string | null {
  const once = decode(path)
  // Decoded once it may hold a percent sign that means itself.
  return once === null ? null : foldDecoded(decode(once) ?? once)
}

/** The same of a path that is decoded already. */
export function foldDecoded(decoded: string): string {
  const segments: string[] = []
  for (const written of decoded.split(/[\\/]/)) {
    const segment = written.replace(/;.*/s, '').trimEnd()
    const name = segment.replace(dropped, '')
    if (segment === '..') segments.pop()
    else if (name !== '') segments.push(name)
  }
  return `/${segments.join('/')}`.toLowerCase()
}

/** Begins where such a run does: tried at every place of a long one it would take the square of its length. */
const dropped = /(?<![\s.])[\s.]+$/

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
