/** What a browser sent: every value of every name, in order. */
export type Cookies = ReadonlyMap<string, readonly string[]>

/**
 * Reads a Cookie header: names byte for byte, nothing trimmed but the space that RFC 6265, section 4.2.1 puts there.
 * @returns every value of every name, in order
 */
export function readCookies(header: string | undefined): Map<string, string[]> {
  const cookies = new Map<string, string[]>()
  if (header === undefined) return cookies
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0) continue
    const name = pair.slice(pair.startsWith(' ') ? 1 : 0, equals)
    const values = cookies.get(name)
    if (values === undefined) cookies.set(name, [pair.slice(equals + 1)])
    else values.push(pair.slice(equals + 1))
  }
  return cookies
}
