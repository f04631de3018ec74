import type { Cookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import type { Say } from '../telemetry/events.ts'
import type { CookieJar } from './cookie-jar.ts'

/** Logins are counted together when the next one ends within so long of the one before. */
const countedSeconds = 60

/** A browser that has finished so many, and has no session cookie to show for it, is going round in circles. */
const tooMany = 2

/**
 * Tells a browser that logs in from one that does so again and again because it does not keep the session cookie. The
 * count is in a cookie that is not signed: whoever forges it sees a page, or does without one.
 */
export interface LoginLoop {
  /** Counts a finished login: a Set-Cookie line. */
  count(cookies: Cookies): string
  /** Counts anew from here: a Set-Cookie line. */
  reset(): string
  isClosed(cookies: Cookies): boolean
  /** Says that cookies get lost. @returns BffError `cookies_not_kept` */
  broken(): BffError
}

export function createLoginLoop(jar: CookieJar, say: Say): LoginLoop {
  // A digit as we write it; of anything else nothing is made.
  const counted = (cookies: Cookies) => Number(/^\d$/.exec(cookies.get(jar.finishedName)?.[0] ?? '')?.[0] ?? 0)

  return {
    count: (cookies) => jar.short(jar.finishedName, String(Math.min(counted(cookies) + 1, tooMany)), countedSeconds),
    reset: () => jar.deletedShort(jar.finishedName),
    isClosed: (cookies) => counted(cookies) >= tooMany,
    broken() {
      say('login_failed', { reason: 'cookies_not_kept' })
      return new BffError('cookies_not_kept')
    },
  }
}
