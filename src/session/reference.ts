import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/**
 * What the rest of the program, the store and the log call a session. Whoever reads those cannot make a cookie of it.
 * @returns base64url(SHA-256(session id))
 */
export function refOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url')
}

/** What the store calls a login. The `state` itself is in no store: there it would be enough to finish somebody's login. */
export function loginId(state: string): string {
  return hash('sha256', state, 'base64url')
}

/** Another name of a session, for browsers: bound to it by a key for one use, and neither `ref` nor the provider's `sid`. */
export function publicName(key: Buffer, ref: string): string {
  return createHmac('sha256', key).update(ref).digest('base64url')
}

/** Compares without telling by its duration where two values differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer')
  return timingSafeEqual(digest(a), digest(b))
}
