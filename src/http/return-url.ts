import type { Options } from '../options.ts'
import { foldPath } from './request-target.ts'

/**
 * Characters. An address is kept, sealed: with a login that has begun, which takes up room in the store for anybody who asks
 * for one, and with a logout in a cookie, of which browsers take 4096 bytes, in an answer of which proxies commonly take 4 KB.
 */
const longest = 1_500

/**
 * The one judge of where a browser is sent after login or logout: a path on our own origin that is none of our own
 * endpoints, under no route, and short enough to be kept. What parses as same-origin may still leave it once written
 * down again (`/.//evil.example` does), so the value that will be sent is judged, not the one that came.
 * @returns the path with query and fragment, or `/`
 */
export function judgeReturnUrl(
  value: string | null,
  { publicUrl, basePath, routes }: Pick<Options, 'publicUrl' | 'basePath' | 'routes'>,
): string {
  // A backslash is a slash to browsers; control characters and spaces are dropped by them.
  if (value === null || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(value) || !URL.canParse(value, publicUrl)) return '/'
  const url = new URL(value, publicUrl)
  const sent = url.pathname + url.search + url.hash
  if (url.origin !== publicUrl || url.username !== '' || sent.startsWith('//') || sent.length > longest) return '/'
  // A disguise is no way to one of them either: it would only lead to an error.
  const folded = foldPath(url.pathname)
  const noPages = [basePath, ...routes.map((route) => route.path)]
  const isPage = folded !== null && !noPages.some((own) => `${folded}/`.startsWith(`${own.toLowerCase()}/`))
  return isPage ? sent : '/'
}
