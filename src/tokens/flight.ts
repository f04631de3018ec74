import { randomBytes } from 'node:crypto'
import type { Doubt, Fence, TokenRecord } from '../storage/store.ts'
import type { ChangeWatch } from './changes.ts'
import type { Flight, FlightParts, Landed } from './flight-parts.ts'
import { present } from './presentation.ts'
import { releaseLease } from './release-lease.ts'
import { untilDefinite } from './repeat.ts'
import { TokenSet } from './token-set.ts'

/** Missing a message on the channel costs no more than this, in milliseconds. */
const recheckMs = 500

/**
 * One node's refresh of one session (`docs/refresh-protocol.md`, "Flight until it holds the lease").
 * @param seen the record whose tokens were found wanting
 * @throws BffError `store_unreachable`
 */
export async function fly(parts: FlightParts, flight: Flight, seen: TokenRecord, watch: ChangeWatch): Promise<Landed> {
  const { store, options, health, seal } = parts
  const { timing } = options
  let { epoch, version }: Fence = seen
  let inDoubt = seen.attempt === '-'
  const { ref, wanted } = flight
  let doubt: Doubt | null = null
  const later = (afterMs: number): Landed => ({ is: 'later', afterMs: Math.max(afterMs, timing.decline) })

  /** Takes another's result, or notes that it is over as well. */
  function use(record: TokenRecord): Landed | null {
    const tokens = TokenSet.open(seal, ref, record.set)
    ;({ epoch, version } = record)
    // Of another release, or by a secret that is not here yet: whoever can read it refreshes it.
    if (tokens === null) return later(timing.decline)
    const token = tokens.of(wanted.target)
    const isGood = token !== undefined && token.left(store.now()) > 0 && token.value !== wanted.refused
    if (isGood) return { is: 'tokens', tokens }
    inDoubt = record.attempt === '-'
    return null
  }

  // Nothing can come of it yet: the probe is left to a session that can use it.
  const early = seen.notBefore - store.now()
  if (early > 0) return later(early)
  const permit = health.mayFly()
  if (permit === 'no') return later(timing.probe)
  for (;;) {
    const id = randomBytes(12).toString('base64url')
    const cycle = { ref, id, epoch, version }
    const open = !inDoubt || permit === 'as probe' || health.mayPresentDoubtful()
    const acquire = () => store.tokens.acquire(ref, { ...cycle, doubt, open, leaseMs: timing.lease })
    const acquired = await untilDefinite(acquire, timing.storeBudget, timing.retry).catch((error: unknown) => {
      // It may have been, or may yet be, carried out: nobody has to wait for its lease to lapse.
      void releaseLease(parts, cycle, { left: 0, declined: 0, backoffMs: 0 })
      throw error
    })
    doubt = null
    switch (acquired.is) {
      case 'gone':
        return acquired
      case 'changed': {
        const landed = use(acquired.record)
        if (landed !== null) return landed
        continue
      }
      case 'later':
        // Refused for being in doubt, which this flight had not seen: once more, asking the gate.
        if (!inDoubt && acquired.forMs === 0) {
          inDoubt = true
          continue
        }
        return later(acquired.forMs || timing.probe)
      case 'busy':
        await watch.next(Math.min(Math.max(acquired.forMs, 1), recheckMs))
        continue
      case 'doubt':
        // The presenter seems dead. One who lived through an outage of the store writes or renews within the grace.
        if (!(await watch.next(timing.grace))) doubt = acquired.doubt
        continue
      case 'acquired': {
        const presented = await present(parts, flight, cycle, acquired.record)
        if (presented.is !== 'overtaken') return presented
        const landed = presented.record === null ? null : use(presented.record)
        if (landed !== null) return landed
      }
    }
  }
}
