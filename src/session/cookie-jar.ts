import type { Options } from '../options.ts'

/** Our cookies: their names, and what is written of them, decided by configuration and never by a request. */
export interface CookieJar {
  readonly sessionName: string
  /** Names of cookies that belong to one pending login, or to one logout, begin with these. */
  readonly loginPrefix: string
  readonly logoutName: string
  /** Which used login a browser came by, and how many it has finished lately. */
  readonly usedName: string
  readonly finishedName: string
  /** Attributes of the session cookie, for express-session. */
  readonly sessionAttributes: {
    path: '/'
    httpOnly: true
    secure: boolean
    sameSite: 'strict' | 'lax'
    /** Milliseconds; without it the cookie goes when the browser is closed. */
    maxAge?: number
  }
  /** A Set-Cookie line of a short-lived cookie that comes along on the way back from the provider. */
  short(name: string, value: string, seconds: number): string
  /** Set-Cookie lines that delete: the same attributes, or the browser keeps the cookie. */
  deletedShort(name: string): string
  deletedSession(): string
}

export function createCookieJar(options: Options): CookieJar {
  const { publicUrl, cookiePrefix, cookieName, cookieSameSite, remember, absoluteTimeoutSeconds } = options
  const secure = publicUrl.startsWith('https:')
  // RFC 6265bis, section 4.1.3: with the prefix the browser itself holds us to Secure, Path=/ and no Domain.
  const sessionName = secure ? cookiePrefix + cookieName : cookieName
  const attributes = (sameSite: string) => `Path=/; HttpOnly${secure ? '; Secure' : ''}; SameSite=${sameSite}`
  return {
    sessionName,
    loginPrefix: `${sessionName}-login-`,
    logoutName: `${sessionName}-logout`,
    usedName: `${sessionName}-used`,
    finishedName: `${sessionName}-finished`,
    sessionAttributes: {
      path: '/',
      httpOnly: true,
      secure,
      sameSite: cookieSameSite === 'Lax' ? 'lax' : 'strict',
      ...(remember ? { maxAge: absoluteTimeoutSeconds * 1000 } : {}),
    },
    short: (name, value, seconds) => `${name}=${value}; Max-Age=${seconds}; ${attributes('Lax')}`,
    deletedShort: (name) => `${name}=; Max-Age=0; ${attributes('Lax')}`,
    deletedSession: () => `${sessionName}=; Max-Age=0; ${attributes(cookieSameSite)}`,
  }
}
