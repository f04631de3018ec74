import { countIn, type Evidence, type Violation } from '../violation.ts'

/** A token presented more often than that is a violation by now. */
const mostCompared = 10

/** No token is presented once a living node has its successor, and again only while nobody can know what became of it. */
export function presentations({ chains, excuses, history }: Evidence): {
  violations: Violation[]
  excused: Map<string, number>
} {
  const violations: Violation[] = []
  const excused = new Map<string, number>()
  for (const chain of chains.values()) {
    for (const [generation, all] of chain.presentations.entries()) {
      for (const [index, second] of all.entries()) {
        for (const first of all.slice(Math.max(index - mostCompared, 0), index)) {
          const excuse = excuses.between(chain, first, second)
          if (excuse !== null) {
            countIn(excused, excuse)
            continue
          }
          const received = excuses.receivedAt(chain, first)
          const tooLate = received !== null && received < second.arrived
          violations.push({
            rule: tooLate ? 'presented after its successor was received' : 'presented again without doubt',
            sentence: `node ${second.node} presented token ${generation + 1} of the session at ${second.arrived} ms, which node ${first.node} had presented at ${first.arrived} ms${tooLate ? ` and had exchanged for its successor by ${received} ms` : ''}`,
            ref: chain.ref,
            events: [first, second, ...history.said.filter(({ ref }) => ref === chain.ref)],
          })
        }
      }
    }
  }
  return { violations, excused }
}
