import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Store, TokenRecord } from '../storage/store.ts'
import type { createOpenedSets } from './opened-sets.ts'
import type { TokenSet } from './token-set.ts'

/** The idle limit is pushed out by requests when this part of it has gone by, so that few of them write. */
const slideAfterShare = 0.05

/** A session's record as it was read for one request, and what is in it. */
export interface LiveRecord {
  record: TokenRecord
  tokens: TokenSet
}

/** The records of sessions that are not over, read anew for every request: what another node has ended is over here. */
export interface LiveRecords {
  /**
   * What was read from the store.
   * @throws BffError `no_session`
   */
  readable(ref: string, record: TokenRecord | null): LiveRecord
  /** Counts as use: pushes the idle limit out in the background, where enough of it has gone by. */
  use(ref: string, record: Pick<TokenRecord, 'extendedAt'>, now: number): void
  /** The same for whoever reads no record: to be called at each use. */
  useOf(ref: string): () => void
}

export function createLiveRecords(
  options: Options,
  store: Store,
  open: ReturnType<typeof createOpenedSets>,
): LiveRecords {
  const idleMs = options.idleTimeoutSeconds * 1000
  const onceInMs = idleMs * slideAfterShare
  const sliding = new Set<string>()

  // No request waits for it, and many at once write once: here by asking once, on other nodes by what the store knows.
  const use: LiveRecords['use'] = (ref, { extendedAt }, now) => {
    if (now - extendedAt <= onceInMs || sliding.has(ref)) return
    sliding.add(ref)
    store.tokens
      .remaining(ref, idleMs, onceInMs)
      .catch(() => undefined) // the next request tries again
      .finally(() => sliding.delete(ref))
  }

  return {
    readable(ref, record) {
      const tokens = record === null ? null : open(ref, record.set)
      if (record === null || tokens === null) throw new BffError('no_session')
      return { record, tokens }
    },
    use,
    useOf(ref) {
      let extendedAt = store.now()
      return () => {
        const now = store.now()
        use(ref, { extendedAt }, now)
        if (now - extendedAt > onceInMs) extendedAt = now
      }
    },
  }
}
