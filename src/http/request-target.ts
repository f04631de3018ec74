import type { IncomingMessage } from 'node:http'

/** The path of a request as it came, without its query. */
export function pathOf({ url = '' }: Pick<IncomingMessage, 'url'>): string {
  return url.split('?', 1)[0] ?? ''
}

/**
 * A path as a careless reader would understand it: decoded, slashes straightened, dot segments resolved, case folded.
 * Only for telling that somebody means one of our paths without saying so byte for byte.
 * @returns `null` when it cannot be decoded
 */
export function foldPath(path: string): string | null {
  const once = decode(path)
  if (once === null) return null
  // Decoded once it may hold a percent sign that means itself.
  const decoded = (decode(once) ?? once).replace(/[\\/]+/g, '/')
  const segments: string[] = []
  for (const segment of decoded.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '.') segments.push(segment)
  }
  return segments.join('/').toLowerCase()
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
