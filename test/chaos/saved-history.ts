import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { History } from './history.ts'
import type { Violation } from './violation.ts'

/** Keeps a history for whoever looks for the cause. It holds no token, only the beginnings of hashes. @returns the path */
export function saveHistory(seed: number, history: History, violations: readonly Violation[]): string {
  const path = join(tmpdir(), `coatcheck-chaos-${seed}-${process.pid}.json`)
  const { limits, ...events } = history
  const lines = Object.entries({ ...events, violations }).map(([name, all]) => {
    return `"${name}": [\n${all.map((one) => JSON.stringify(one)).join(',\n')}\n]`
  })
  writeFileSync(path, `{"limits": ${JSON.stringify(limits)},\n${lines.join(',\n')}}\n`)
  return path
}
