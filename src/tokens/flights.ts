import type { TokenRecord } from '../storage/store.ts'
import { watchChanges } from './changes.ts'
import { fly } from './flight.ts'
import type { Flight, FlightParts, Landed, Wanted } from './flight-parts.ts'

/** The refreshes that this node has in the air, at most one a session. */
export interface Flights {
  /**
   * The session's flight: the one in the air, whatever it is to bring, or a new one. Goes on whether or not anybody waits
   * for it.
   */
  join(ref: string, seen: TokenRecord, wanted: Wanted): Flight
  /**
   * How it ended, or *later* when it takes longer than a request may wait that has waited since `since`, a monotonic time.
   * @throws BffError `store_unreachable`
   */
  landing(flight: Flight, since: number): Promise<Landed>
  /** Resolves when none is in the air. */
  drain(): Promise<void>
}

export function createFlights(parts: FlightParts): Flights {
  const { store, options, say, health } = parts
  const { timing } = options
  const inTheAir = new Map<string, Flight>()
  const watch = watchChanges(store)
  store.onChange((change) => {
    if (change.is === 'reconnected' || (change.is === 'failed' && change.left > 0)) health.silent('learned')
  })

  return {
    join(ref, seen, wanted) {
      const known = inTheAir.get(ref)
      if (known !== undefined) {
        known.joined += 1
        return known
      }
      const changes = watch(ref)
      const began = performance.now()
      const flight: Flight = { ref, wanted, began, joined: 0, held: undefined, landed: notYet }
      // Entered before anything is awaited: whoever comes next joins it.
      inTheAir.set(ref, flight)
      flight.landed = fly(parts, flight, seen, changes).finally(() => {
        inTheAir.delete(ref)
        changes.close()
      })
      // Whoever waits hears of it too; a flight in the background has nobody else.
      flight.landed.catch((error: unknown) => say('refresh_failed', { ref }, error))
      return flight
    },

    async landing(flight, since) {
      const limit = Promise.withResolvers<Landed>()
      const timer = setTimeout(
        () => limit.resolve({ is: 'later', afterMs: timing.decline }),
        since + timing.waiter - performance.now(),
      )
      try {
        return await Promise.race([flight.landed, limit.promise])
      } finally {
        clearTimeout(timer)
      }
    },

    async drain() {
      await Promise.allSettled([...inTheAir.values()].map((flight) => flight.landed))
    },
  }
}

/** Stands in for the landing of a flight that is just being made. */
const notYet: Promise<Landed> = Promise.resolve({ is: 'later', afterMs: 0 })
