/** A cookie as a browser keeps it (RFC 6265bis, section 5.5). */
export interface Cookie {
  name: string
  value: string
  /** Cookies belong to a host name; its ports share them. */
  host: string
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: 'Strict' | 'Lax' | 'None'
  /** Absent: until the browser is closed. */
  expiresAt: Date | undefined
}

/** What decides which SameSite cookies a request carries. */
export interface RequestContext {
  /** Whether the page that caused it and every address on the way are of the site that is asked. */
  sameSite: boolean
  /** A navigation of the whole window with a safe method. */
  topLevelNavigation: boolean
}

export interface CookieJar {
  /** Keeps, replaces or deletes what a response from `url` sets. */
  receive(url: URL, setCookie: readonly string[]): void
  /** Value of the `Cookie` header, empty where no cookie is to be sent. */
  header(url: URL, context: RequestContext): string
  /** The cookies of a host, by name. */
  of(host: string): Map<string, Cookie>
  set(cookie: Cookie): void
  /** Without a name: every cookie of the host. */
  delete(host: string, name?: string): void
}

export function createCookieJar(): CookieJar {
  const cookies = new Map<string, Cookie>()
  const keyOf = (cookie: Cookie): string => [cookie.host, cookie.path, cookie.name].join(' ')
  const alive = (): Cookie[] => [...cookies.values()].filter((cookie) => !isExpired(cookie))

  return {
    receive: (url, setCookie) => {
      for (const line of setCookie) {
        const cookie = parseSetCookie(line, url)
        if (cookie === undefined) continue
        if (isExpired(cookie)) cookies.delete(keyOf(cookie))
        else cookies.set(keyOf(cookie), cookie)
      }
    },
    header: (url, context) =>
      alive()
        .filter((cookie) => cookie.host === url.hostname && pathMatches(cookie.path, url.pathname))
        .filter((cookie) => isSent(cookie, context))
        .toSorted((a, b) => b.path.length - a.path.length)
        .map(({ name, value }) => `${name}=${value}`)
        .join('; '),
    of: (host) => new Map(alive().flatMap((cookie) => (cookie.host === host ? [[cookie.name, cookie]] : []))),
    set: (cookie) => void cookies.set(keyOf(cookie), cookie),
    delete: (host, name) => {
      for (const [key, cookie] of cookies) {
        if (cookie.host === host && (name === undefined || cookie.name === name)) cookies.delete(key)
      }
    },
  }
}

function parseSetCookie(line: string, url: URL): Cookie | undefined {
  const [pair = '', ...parts] = line.split(';').map((part) => part.trim())
  const equals = pair.indexOf('=')
  if (equals < 1) return undefined
  const attributes = new Map(
    parts.map((part) => {
      const [name = '', ...value] = part.split('=')
      return [name.toLowerCase(), value.join('=')]
    }),
  )
  const path = attributes.get('path')
  const cookie: Cookie = {
    name: pair.slice(0, equals),
    value: pair.slice(equals + 1),
    host: url.hostname,
    path: path?.startsWith('/') ? path : url.pathname.slice(0, url.pathname.lastIndexOf('/')) || '/',
    secure: attributes.has('secure'),
    httpOnly: attributes.has('httponly'),
    sameSite: readSameSite(attributes.get('samesite')),
    expiresAt: readExpiry(attributes),
  }
  const isHostOnly = cookie.secure && cookie.path === '/' && !attributes.has('domain')
  return cookie.name.startsWith('__Host-') && !isHostOnly ? undefined : cookie
}

function readSameSite(value: string | undefined): Cookie['sameSite'] {
  const known = (['Strict', 'Lax', 'None'] as const).find((name) => name.toLowerCase() === value?.toLowerCase())
  return known ?? 'Lax'
}

function readExpiry(attributes: ReadonlyMap<string, string>): Date | undefined {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined) return new Date(Date.now() + Number(maxAge) * 1000)
  const expires = attributes.get('expires')
  return expires === undefined ? undefined : new Date(expires)
}

function isExpired({ expiresAt }: Cookie): boolean {
  return expiresAt !== undefined && expiresAt.getTime() <= Date.now()
}

function pathMatches(cookiePath: string, path: string): boolean {
  return path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`)
}

function isSent(cookie: Cookie, { sameSite, topLevelNavigation }: RequestContext): boolean {
  if (sameSite || cookie.sameSite === 'None') return true
  return cookie.sameSite === 'Lax' && topLevelNavigation
}
