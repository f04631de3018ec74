import { createHash } from 'node:crypto'

/**
 * Every key and channel we use, in one place. `{ref}` is a Redis Cluster hash tag: a session's keys share a slot, so
 * that one script may touch them all.
 */
export function createKeys(prefix: string) {
  return {
    session: (ref: string) => `${prefix}:{${ref}}:session`,
    tokens: (ref: string) => `${prefix}:{${ref}}:tokens`,
    /** The other way round. */
    refOf: (key: string) => key.slice(prefix.length + 2, key.lastIndexOf('}')),
    ended: (ref: string) => `${prefix}:{${ref}}:ended`,
    lease: (ref: string) => `${prefix}:{${ref}}:refresh`,
    login: (id: string) => `${prefix}:login:${id}`,
    usedLogin: (id: string) => `${prefix}:used:${id}`,
    /** What the keys of one rate limit begin with. */
    hits: (limit: string) => `${prefix}:hits:${limit}:`,
    /** Sessions of one user (`sub`), or of one session at the provider (`sid`). */
    sessions: (kind: IndexKind, owner: string) => `${prefix}:${kind}:${hash(owner)}:sessions`,
    loggedOut: (kind: IndexKind, owner: string) => `${prefix}:${kind}:${hash(owner)}:logged-out`,
    logoutToken: (id: string) => `${prefix}:jti:${hash(id)}`,
    changed: `${prefix}:changed`,
  }
}

export type Keys = ReturnType<typeof createKeys>

/** What the sessions of an index have in common. */
export type IndexKind = 'sub' | 'sid'

/** Whoever reads the keys should not read who our users are; and names that somebody else gives may be of any length. */
export function hash(name: string): string {
  return createHash('sha256').update(name).digest('base64url')
}
