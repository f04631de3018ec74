import { createHash } from 'node:crypto'

/**
 * Every key and channel we use, in one place. `{ref}` is a Redis Cluster hash tag: a session's keys share a slot, so
 * that one script may touch them all.
 */
export function createKeys(prefix: string) {
  return {
    session: (ref: string) => `${prefix}:{${ref}}:session`,
    tokens: (ref: string) => `${prefix}:{${ref}}:tokens`,
    ended: (ref: string) => `${prefix}:{${ref}}:ended`,
    lease: (ref: string) => `${prefix}:{${ref}}:refresh`,
    login: (id: string) => `${prefix}:login:${id}`,
    /** Whoever reads the keys should not read who our users are. */
    subject: (owner: string) => `${prefix}:sub:${createHash('sha256').update(owner).digest('base64url')}`,
    /** What the keys of one rate limit begin with. */
    hits: (limit: string) => `${prefix}:hits:${limit}:`,
    changed: `${prefix}:changed`,
  }
}

export type Keys = ReturnType<typeof createKeys>
