import { createExpiringMap } from './expiring-map.ts'
import { hash } from './keys.ts'
import type { SessionIndex } from './session-index.ts'

/** An index in this process: for each owner its sessions, oldest first, with the time at which an entry may be dropped. */
export function createMemorySessionIndex(now: () => number): SessionIndex {
  const owners = createExpiringMap<Map<string, number>>(now)
  /** By hash: a front-channel request names whomever it likes. */
  const logouts = createExpiringMap<number>(now)

  return {
    async began(owner, ref, lifeMs) {
      const sessions = owners.get(owner) ?? new Map<string, number>()
      const at = now()
      for (const [old, until] of sessions) if (until <= at) sessions.delete(old)
      sessions.delete(ref)
      const [, newest = 0] = [...sessions].at(-1) ?? []
      sessions.set(ref, Math.max(at + lifeMs, newest + 1)) // as `enter.lua` does
      // Never shortened, as the index in Redis.
      owners.set(owner, sessions, Math.max(lifeMs, owners.left(owner)))
    },
    async ended(owner, refs) {
      const sessions = owners.get(owner)
      for (const ref of refs) sessions?.delete(ref)
      if (sessions?.size === 0) owners.delete(owner)
    },
    list: async (owner) => [...(owners.get(owner)?.keys() ?? [])],
    async newest(owner) {
      const newest = [...(owners.get(owner) ?? [])].at(-1)
      return newest === undefined ? null : { ref: newest[0], place: newest[1] }
    },
    async loggedOut(owner, at, lifeMs) {
      const name = hash(owner)
      logouts.set(name, Math.max(at, logouts.get(name) ?? 0), lifeMs)
    },
    loggedOutAt: async (owner) => logouts.get(hash(owner)) ?? null,
  }
}
