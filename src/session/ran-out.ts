import type { Store } from '../storage/store.ts'
import type { RanOut } from '../tokens/ran-out.ts'
import { factsIn } from './session-record.ts'

/**
 * Says that a session has run into one of its limits, if it has and nobody has said so yet: that happens in silence, and
 * is seen when its browser comes by again.
 * @throws BffError `store_unreachable`
 */
export type TellRanOut = (ref: string) => Promise<void>

export function createTellRanOut(store: Store, ranOut: RanOut): TellRanOut {
  return async (ref) => {
    const left = await store.tokens.remaining(ref)
    if (left.is !== 'gone' || left.reason !== 'expired') return
    const facts = factsIn((await store.sessions.get(ref)) ?? '')
    if (facts !== null) await ranOut(ref, facts.endsAt).said
  }
}
