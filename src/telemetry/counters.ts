/**
 * How often each event has been said since the start, by its name, and by name and kind where it has kinds:
 * `refresh`, `refresh.issued`, `session_ended.logout`, `rotation_lost`.
 */
export type Counts = Readonly<Record<string, number>>

export interface Counters {
  count(event: string, facts: Readonly<Record<string, unknown>> | undefined): void
  readonly counts: Counts
}

export function createCounters(): Counters {
  const counts: Record<string, number> = {}
  const add = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  return {
    count(event, facts) {
      add(event)
      const kind = facts?.['outcome'] ?? facts?.['reason']
      if (typeof kind === 'string') add(`${event}.${kind}`)
    },
    counts,
  }
}
