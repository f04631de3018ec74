import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { deriveKey, type KeyUse } from '../secrets.ts'

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

/** Other names of sessions, for browsers: bound to them by a key for one use, and neither `ref` nor the provider's `sid`. */
export interface PublicNames {
  of(ref: string): string
  /** Whether a name is this session's, by whichever of the secrets. */
  isOf(ref: string, name: string): boolean
}

/** @param secrets session secrets: the first names, all are recognised */
export function createPublicNames(secrets: readonly string[], use: KeyUse): PublicNames {
  const keys = secrets.map((secret) => deriveKey(secret, use))
  const [newest] = keys
  if (newest === undefined) throw new TypeError('the names of sessions need a secret')
  const nameBy = (key: Buffer, ref: string) => createHmac('sha256', key).update(ref).digest('base64url')
  return {
    of: (ref) => nameBy(newest, ref),
    isOf: (ref, name) => keys.some((key) => sameText(nameBy(key, ref), name)),
  }
}

/** Compares without telling by its duration where two values differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer')
  return timingSafeEqual(digest(a), digest(b))
}
