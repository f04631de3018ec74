import { setTimeout as pause } from 'node:timers/promises'
import type { Provider } from '../relying-party/provider.ts'
import { revokeRefreshToken } from '../relying-party/revocation.ts'
import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'

const firstPauseMs = 1_000
const longestPauseMs = 10_000

/** Revokes refresh tokens at the provider in the background: a logout waits for nobody. */
export interface Revoker {
  revoke(ref: string, refreshToken: string): void
  /** Resolves when nothing is under way. */
  drain(): Promise<void>
}

export function createRevoker(provider: Provider, store: Store, timing: Timing, say: Say): Revoker {
  const underWay = new Set<Promise<void>>()

  async function keepTrying(ref: string, refreshToken: string) {
    const until = performance.now() + timing.revoke
    for (let wait = firstPauseMs; ; wait = Math.min(wait * 2, longestPauseMs)) {
      try {
        say('revoked', { ref, outcome: await revokeRefreshToken(provider, refreshToken) })
        // What is left in the store is of no more use; if this fails, its lifetime ends it.
        await store.tokens.forget(ref).catch(() => undefined)
        return
      } catch (error) {
        if (performance.now() + wait > until) {
          say('revocation_failed', { ref }, error)
          return
        }
        await pause(wait)
      }
    }
  }

  return {
    revoke(ref, refreshToken) {
      const work = keepTrying(ref, refreshToken).finally(() => underWay.delete(work))
      underWay.add(work)
    },
    async drain() {
      await Promise.all(underWay)
    },
  }
}
