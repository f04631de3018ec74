import type { Cycle, FlightParts } from './flight-parts.ts'
import { untilDefinite } from './repeat.ts'

/** Gives up a cycle that stored nothing. Never fails: where the store does not answer, the lease lapses by itself. */
export async function releaseLease(
  { store, options: { timing } }: Pick<FlightParts, 'store' | 'options'>,
  cycle: Cycle,
  told: { left: number; declined: number; backoffMs: number },
): Promise<void> {
  const release = () => store.tokens.release(cycle.ref, { ...cycle, ...told })
  await untilDefinite(release, timing.storeBudget, timing.retry).catch(() => undefined)
}
