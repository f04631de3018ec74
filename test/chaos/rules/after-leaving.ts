import type { Evidence, Violation } from '../violation.ts'

/** Once a client was told that its session is over, no request that it makes from then on is authorised. */
export function afterLeaving({ history }: Evidence): Violation[] {
  const over = new Map<string, number>()
  for (const { ref, acknowledged } of history.departures) {
    if (acknowledged !== null) over.set(ref, Math.min(acknowledged, over.get(ref) ?? acknowledged))
  }
  const uses = new Map(history.uses.map((use) => [use.call, use]))

  return history.calls.flatMap((call): Violation[] => {
    const told = over.get(call.ref)
    if (told === undefined || call.began <= told) return []
    const use = uses.get(call.id)
    if (use === undefined && call.status !== 200) return []
    const departure = history.departures.find(({ ref, acknowledged }) => ref === call.ref && acknowledged !== null)
    return [
      {
        rule: 'authorised after leaving',
        sentence: `node ${call.node} authorised a call that began at ${call.began} ms; the session was over by ${told} ms`,
        ref: call.ref,
        events: [departure, call, use],
      },
    ]
  })
}
