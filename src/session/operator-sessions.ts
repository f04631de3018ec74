import type { Options } from '../options.ts'
import type { Store } from '../storage/store.ts'
import { inBatches } from '../tokens/batches.ts'
import { ownerOf } from '../tokens/token-set.ts'
import type { Tokens } from '../tokens/tokens.ts'
import type { SeenSession } from '../wire.ts'
import { factsIn, seenOf } from './session-record.ts'

/** Sessions of a user (`sub`), those that came from one session at the provider (`sid`), or every one there is. */
export type WhichSessions = { sub: string } | { sid: string } | 'all'

/** A session as its operator sees it. */
export interface SessionSummary extends SeenSession {
  /** How log and store call it. */
  ref: string
  sub: string
}

/** What the operator may do to sessions. Costs as much as the sessions it is about, but for `all`, which looks at every key. */
export interface OperatorSessions {
  /** @throws BffError `store_unreachable` */
  list(which: WhichSessions): AsyncGenerator<SessionSummary, void, void>
  /**
   * Ends those that are there now. What they could spend is revoked at the provider, except with `all`, which could be
   * more than it takes.
   * @returns how many have ended
   * @throws BffError `store_unreachable`: some may have ended; to be repeated
   */
  end(which: WhichSessions): Promise<number>
}

export function createOperatorSessions({ issuer }: Options, store: Store, tokens: Tokens): OperatorSessions {
  async function* refsOf(which: WhichSessions): AsyncGenerator<string, void, void> {
    if (which === 'all') yield* store.tokens.all()
    else if ('sub' in which) yield* await store.subjects.list(ownerOf(issuer, which.sub))
    else yield* await store.sids.list(ownerOf(issuer, which.sid))
  }

  return {
    async *list(which) {
      for await (const ref of refsOf(which)) {
        const [record, text] = await Promise.all([store.tokens.read(ref), store.sessions.get(ref)])
        const facts = factsIn(text ?? '')
        if (record === null || facts === null) continue // over, or not finished
        yield { ref, sub: facts.subject, ...seenOf(facts, record) }
      }
    },

    async end(which) {
      const reason = which === 'all' ? 'all_ended' : 'ended_by_operator'
      let ended = 0
      // Not by what a session held: that may be under a key that is not here, or be left over from an earlier end.
      await inBatches(refsOf(which), async (ref) => {
        const isThere = (await store.tokens.read(ref)) !== null
        await tokens.end(ref, reason)
        if (isThere) ended += 1
      })
      return ended
    },
  }
}
