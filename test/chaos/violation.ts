import type { Chain } from './chains.ts'
import type { Excuses } from './excuses.ts'
import type { History } from './history.ts'

/** What the rules read. */
export interface Evidence {
  history: History
  chains: ReadonlyMap<string, Chain>
  excuses: Excuses
}

/** A promise that was not kept, and the events that show it. */
export interface Violation {
  rule:
    | 'presented after its successor was received'
    | 'presented again without doubt'
    | 'ended without cause'
    | 'ended without a stated reason'
    | 'stored is not the newest'
    | 'authorised after leaving'
    | 'answer missing or wrong'
  sentence: string
  ref: string | null
  events: readonly unknown[]
}

export function countIn(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
