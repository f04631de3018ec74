import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'

/** The limit that a session has run into. */
export type Limit = 'idle' | 'absolute'

/**
 * Says that a session has run out, unless somebody has: that happens in silence, and may be seen on several nodes.
 * @param endsAt store time in ms at which it was over however much it was used
 * @returns `absolute` when that time has come; else `idle`, for a limit that use pushes out, which the life of a refresh
 * token is as well
 * @throws BffError `store_unreachable`
 */
export type RanOut = (ref: string, endsAt: number) => { reason: Limit; said: Promise<void> }

export function createRanOut(store: Store, say: Say): RanOut {
  return (ref, endsAt) => {
    const reason = store.now() < endsAt ? 'idle' : 'absolute'
    // The record that still told of the session: who takes it away says so, and nobody says so again.
    const said = store.sessions.del([ref]).then((taken) => {
      if (taken > 0) say('session_ended', { ref, reason })
    })
    return { reason, said }
  }
}
