import { BffError } from '../errors.ts'
import type { TokenRecord } from '../storage/store.ts'
import type { Flight, Held, Landed, Wanted } from './flight-parts.ts'
import type { Flights } from './flights.ts'
import type { LiveRecord } from './live-records.ts'
import { goneError, nullIfNotNow, type Spendable, type Spending, spendableOf, unavailable } from './spendable.ts'
import type { SpendingParts } from './spending-parts.ts'
import type { TokenTarget } from './token-target.ts'

/**
 * Access tokens that refreshes bring: the session's own (`null`), or those for a target. The session has one refresh
 * token for all of them, so one flight is in the air whatever it is to bring, and whoever wants something else looks
 * again when it has landed (`docs/refresh-protocol.md`, "A request").
 */
export function createSessionSpending(
  parts: SpendingParts & { flights: Flights },
  target: TokenTarget | null,
): Spending {
  const { store, records, flights, denials } = parts
  const beforeMs = parts.options.refreshBeforeSeconds * 1000
  const byAge: Wanted = { target, refused: null }

  /** @throws BffError when there is no point in a flight */
  function demandGrantable(ref: string, { tokens }: LiveRecord) {
    if (target === null) {
      if (tokens.refreshToken === null) throw new BffError('no_session')
      return
    }
    const standing = denials.standing(ref, target)
    if (standing !== null) throw standing
    if (tokens.refreshToken === null || !tokens.mayAskFor(target)) throw denials.notGranted(ref, target)
  }

  /** What the end of a flight leaves to be spent, `null` when it was to bring something else. */
  function spend({ wanted }: Flight, landed: Landed, refused: string | null): Spendable | null {
    const isOurs = wanted.target?.key === target?.key
    if (landed.is === 'gone') throw goneError(landed.reason)
    if (landed.is === 'later') throw unavailable(landed.afterMs)
    if (landed.is === 'not_granted') {
      if (isOurs) throw new BffError('insufficient_scope')
      return null
    }
    const { tokens } = landed
    const token = tokens.of(target)
    const now = store.now()
    const isGood = token !== undefined && (isOurs || (token.left(now) > 0 && token.value !== refused))
    return isGood ? spendableOf(token, tokens, now) : null
  }

  /** Flies until there is a token: what was in the air may have been somebody else's. */
  async function fly(ref: string, first: LiveRecord, wanted: Wanted): Promise<Spendable> {
    const began = performance.now()
    const { refused } = wanted
    for (let live = first; ; live = records.readable(ref, await store.tokens.read(ref))) {
      const { record, tokens } = live
      const token = tokens.of(target)
      const now = store.now()
      if (token !== undefined && token.left(now) > 0 && token.value !== refused) return spendableOf(token, tokens, now)
      demandGrantable(ref, live)
      const flight = flights.join(ref, record, wanted)
      // What is not yet durable serves only those whose own read proves that the session still lives at that version.
      const { held } = flight
      const inHand = held !== undefined && isHeldBy(record, held) ? spend(flight, landingOf(held), refused) : null
      const spent = inHand ?? spend(flight, await flights.landing(flight, began), refused)
      if (spent !== null) return spent
    }
  }

  async function spendable(ref: string): Promise<Spendable> {
    const live = records.readable(ref, await store.tokens.read(ref))
    const { record, tokens } = live
    const now = store.now()
    records.use(ref, record, now)
    const token = tokens.of(target)
    if (token === undefined || token.left(now) <= 0) return fly(ref, live, byAge)
    const early = token.isSpendable && tokens.refreshToken !== null && token.isInWindow(now, beforeMs)
    const isDenied = early && target !== null && denials.standing(ref, target) !== null
    if (early && !isDenied && record.notBefore <= now) flights.join(ref, record, byAge)
    return spendableOf(token, tokens, now)
  }

  return {
    spendable,
    async insteadOf(ref, refused) {
      const live = records.readable(ref, await store.tokens.read(ref))
      const { record, tokens } = live
      const token = tokens.of(target)
      if (token?.value !== refused.accessToken) return spendable(ref)
      if (tokens.refreshToken === null || token.afterRejection || record.notBefore > store.now()) return null
      return fly(ref, live, { target, refused: refused.accessToken }).catch(nullIfNotNow)
    },
  }
}

function isHeldBy(record: TokenRecord, held: Held): boolean {
  return record.epoch === held.epoch && record.version === held.version && record.attempt === held.id
}

function landingOf({ tokens }: Held): Landed {
  return { is: 'tokens', tokens }
}
