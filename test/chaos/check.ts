import { readChains } from './chains.ts'
import { readExcuses } from './excuses.ts'
import type { History } from './history.ts'
import { afterLeaving } from './rules/after-leaving.ts'
import { answers } from './rules/answers.ts'
import { endings } from './rules/endings.ts'
import { newest } from './rules/newest.ts'
import { presentations } from './rules/presentations.ts'
import type { Evidence, Violation } from './violation.ts'

/** What a history proves. */
export interface Finding {
  violations: Violation[]
  /** How often tokens were presented again, and sessions ended, with good reason; by the reason. */
  presentedAgain: Map<string, number>
  ended: Map<string, number>
}

/** Judges a run. Looks at nothing but the history. */
export function check(history: History): Finding {
  const evidence: Evidence = { history, chains: readChains(history), excuses: readExcuses(history) }
  const again = presentations(evidence)
  const ended = endings(evidence, new Set(again.violations.map(({ ref }) => ref)))
  return {
    violations: [
      ...again.violations,
      ...ended.violations,
      ...newest(evidence),
      ...afterLeaving(evidence),
      ...answers(evidence),
    ],
    presentedAgain: again.excused,
    ended: ended.counts,
  }
}
