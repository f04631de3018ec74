import { createClientSpending } from './client-spending.ts'
import { createExchangedSpending } from './exchanged-spending.ts'
import type { Flights } from './flights.ts'
import type { Seal } from './seal.ts'
import { createSessionSpending } from './session-spending.ts'
import type { Spending } from './spendable.ts'
import type { SpendingParts } from './spending-parts.ts'
import type { TokenTarget } from './token-target.ts'

/** Where access tokens come from, by what they are for: `null` for the session's own. The same target, the same source. */
export function createSpendings(
  parts: SpendingParts & { flights: Flights; seal: Seal },
): (target: TokenTarget | null) => Spending {
  const own = createSessionSpending(parts, null)
  const known = new Map<string, Spending>()

  function create(target: TokenTarget): Spending {
    switch (target.by) {
      case 'refresh':
        return createSessionSpending(parts, target)
      case 'exchange':
        return createExchangedSpending(parts, target, own)
      case 'client':
        return createClientSpending(parts, target)
    }
  }

  return (target) => {
    if (target === null) return own
    const name = `${target.by} ${target.key}`
    const spending = known.get(name) ?? create(target)
    known.set(name, spending)
    return spending
  }
}
