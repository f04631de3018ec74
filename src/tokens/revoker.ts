import { setTimeout as pause } from 'node:timers/promises'
import type { Provider } from '../relying-party/provider.ts'
import { revokeRefreshToken } from '../relying-party/revocation.ts'
import type { GoneReason, Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import type { TokenSet } from './token-set.ts'

const longestPauseFactor = 20

/**
 * `at its end`: the sessions that the user has now are no reason to give a repetition up. `later`: nobody can tell any more
 * which of them were there then, so that any newer one is.
 */
type When = 'at its end' | 'later'

/** Revokes refresh tokens at the provider in the background: a logout waits for nobody. */
export interface Revoker {
  /**
   * Revokes the refresh token of a session that has ended, and repeats it while the provider is away, unless the user
   * has logged in again since: providers may put both sessions on one grant, and revoke that. Until it is done the
   * session has to stay in the index of its user's sessions.
   * @returns a promise that resolves when it is done or given up, which takes at most `timing.revoke` and one more try
   */
  revoke(ref: string, tokens: TokenSet, when: When): Promise<void>
  /** Resolves when nothing is under way. */
  drain(): Promise<void>
}

export function createRevoker(provider: Provider, store: Store, timing: Timing, say: Say): Revoker {
  const underWay = new Set<Promise<void>>()

  async function newestPlace(owner: string): Promise<number> {
    return (await store.subjects.newest(owner))?.place ?? 0
  }

  /** @param before the newest place when the session ended; `null` when that is not known */
  async function isSuperseded(ref: string, owner: string, before: number | null) {
    const newest = await store.subjects.newest(owner)
    if (newest === null) return false
    return before === null ? newest.ref !== ref : newest.place > before
  }

  async function keepTrying(ref: string, owner: string, refreshToken: string, when: When) {
    const until = performance.now() + timing.revoke
    // Before anything is asked of the provider: whoever logs in while it does not answer comes after it.
    const before = when === 'later' ? null : await newestPlace(owner).catch(() => null)
    for (let wait = timing.retry; ; wait = Math.min(wait * 2, timing.retry * longestPauseFactor)) {
      const repeated = wait > timing.retry
      try {
        if (repeated && (await isSuperseded(ref, owner, before))) return say('revoked', { ref, outcome: 'superseded' })
        say('revoked', { ref, outcome: await revokeRefreshToken(provider, refreshToken) })
        // What is left in the store is of no more use; if this fails, its lifetime ends it.
        await store.tokens.forget(ref).catch(() => undefined)
        return
      } catch (error) {
        if (performance.now() + wait > until) return say('revocation_failed', { ref }, error)
        await pause(wait)
      }
    }
  }

  return {
    revoke(ref, { owner, refreshToken }, when) {
      if (refreshToken === null) return Promise.resolve()
      const work = keepTrying(ref, owner, refreshToken, when).finally(() => underWay.delete(work))
      underWay.add(work)
      return work
    },
    async drain() {
      await Promise.all(underWay)
    },
  }
}

/**
 * Whether what a session could still spend, or was still given, is revoked: after a logout. Not after a front-channel
 * logout, which proves nothing about who asked for it, nor after anything else, when the grant may be a newer session's.
 */
export function isRevokedAfter(reason: GoneReason, tokens: TokenSet): boolean {
  if (reason === 'logout' || reason === 'ended_by_operator') return true
  // OpenID Connect Back-Channel Logout 1.0, section 2.7: what was granted for use without the user stays.
  return reason === 'backchannel_logout' && !tokens.scope.split(' ').includes('offline_access')
}
