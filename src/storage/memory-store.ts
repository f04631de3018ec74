import { MemoryStore } from 'express-rate-limit'
import { createExpiringMap } from './expiring-map.ts'
import { createMemorySessionIndex } from './memory-session-index.ts'
import { createMemoryTokenRecords } from './memory-token-records.ts'
import type { Change, Store } from './store.ts'

/** Sessions in this process: for development, demos and a single node that may forget everything on restart. @param endedMs as `timing.ended` */
export function createMemoryStore(endedMs: number): Store {
  // A clock that no one can set.
  const now = () => performance.timeOrigin + performance.now()
  const sessions = createExpiringMap<string>(now)
  const logins = createExpiringMap<{ binder: string; payload: string }>(now)
  const used = createExpiringMap<string>(now)
  const logoutTokens = createExpiringMap<true>(now)
  const listeners = new Set<(change: Change) => void>()
  const tell = (change: Change) => {
    for (const listener of listeners) listener(change)
  }
  const tokens = createMemoryTokenRecords(now, tell, sessions, endedMs)

  return {
    now,
    sessions: {
      get: async (ref) => sessions.get(ref) ?? null,
      set: (ref, value, { expiration }) => tokens.writeSession(ref, value, expiration.value),
      expire: async (ref, seconds) => sessions.expire(ref, seconds * 1000),
      del: async (refs) => refs.filter(sessions.delete).length,
    },
    logins: {
      put: async (id, binder, payload, lifeMs) => logins.set(id, { binder, payload }, lifeMs),
      has: async (id, binder) => logins.get(id)?.binder === binder,
      async take(id, binder) {
        const login = logins.get(id)
        if (login?.binder !== binder) return null
        logins.delete(id)
        return login.payload
      },
      keepUsed: async (id, payload, lifeMs) => used.set(id, payload, lifeMs),
      used: async (id) => used.get(id) ?? null,
    },
    tokens,
    subjects: createMemorySessionIndex(now),
    sids: createMemorySessionIndex(now),
    logoutTokens: {
      has: async (id) => logoutTokens.get(id) === true,
      async put(id, lifeMs) {
        if (logoutTokens.get(id) === true) return false
        logoutTokens.set(id, true, lifeMs)
        return true
      },
    },
    hits: () => new MemoryStore(),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    ready: async () => undefined,
    warnings: async () => [],
    close: async () => undefined,
  }
}
