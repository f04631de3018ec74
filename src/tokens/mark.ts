import { BffError } from '../errors.ts'
import type { Marked, Store } from '../storage/store.ts'
import type { Timing } from '../timing.ts'
import type { Cycle } from './flight-parts.ts'
import { untilDefinite } from './repeat.ts'

/** The durable note that a refresh token is about to be presented, and its renewal, which renews the lease as well. */
export interface Mark {
  /**
   * Writes the note, and goes on renewing it once it stands.
   * @throws BffError `store_unreachable` when nobody knows whether it stands
   */
  confirm(unanswered: number): Promise<Marked>
  /** Whether the note was confirmed so recently that nobody else can have taken over. */
  isFresh(): boolean
  /** Ends the renewals. */
  stop(): void
}

export function createMark(store: Store, timing: Timing, cycle: Cycle, previous: string | null): Mark {
  const { ref, id, epoch, version } = cycle
  let confirmedAt = Number.NEGATIVE_INFINITY // when the confirmed command was given, not when it was answered
  let presentation = 0
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  async function write(renewal: boolean): Promise<Marked> {
    const given = performance.now()
    const marked = await store.tokens.mark(ref, {
      id,
      epoch,
      version,
      previous,
      unanswered: presentation,
      leaseMs: timing.lease,
      renewal,
    })
    if (marked.is === 'marked') confirmedAt = Math.max(confirmedAt, given)
    return marked
  }

  function renewIn(ms: number) {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(() => void renew(), ms)
  }

  async function renew() {
    try {
      if ((await write(true)).is === 'marked') renewIn(timing.lease / 3)
      // Any other reply: somebody else decides now, and the version will tell.
    } catch (error) {
      if (error instanceof BffError) renewIn(timing.retry)
      else throw error
    }
  }

  return {
    async confirm(unanswered) {
      presentation = unanswered
      clearTimeout(timer)
      const marked = await untilDefinite(() => write(false), timing.storeBudget, timing.retry)
      if (marked.is === 'marked') renewIn(timing.lease / 3)
      return marked
    },
    isFresh: () => performance.now() - confirmedAt <= timing.sure,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
