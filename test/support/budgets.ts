import { relative } from 'node:path'
import type { FileRun } from './test-run.ts'

/** How many seconds the tests of each group may take. */
const budgetSeconds = { main: 90, rotation: 180, proxy: 90, browser: 90, sessions: 60, providers: 60 } as const

type Group = keyof typeof budgetSeconds

/** Folders of `test/` that have a budget of their own; the rest is `main`. */
const groupOfFolder: Readonly<Record<string, Group>> = {
  rotation: 'rotation',
  chaos: 'rotation',
  proxy: 'proxy',
  security: 'browser',
  sessions: 'sessions',
  providers: 'providers',
}

/** One line for every group that ran: its time, in which at least one of its files was running, and its budget. */
export function budgetLines(files: readonly FileRun[], testFolder: string): string[] {
  const groups = Map.groupBy(files, ({ file }) => {
    const [folder = ''] = relative(testFolder, file).split('/')
    return groupOfFolder[folder] ?? 'main'
  })
  return [...groups].map(([group, members]) => {
    const seconds = busyMs(members) / 1000
    const over = seconds > budgetSeconds[group] ? ', OVER BUDGET' : ''
    return `${group}: ${seconds.toFixed(1)} s of ${budgetSeconds[group]} s${over}`
  })
}

function busyMs(files: readonly FileRun[]): number {
  let sum = 0
  let until = 0
  for (const { beganAt, endedAt } of files.toSorted((a, b) => a.beganAt - b.beganAt)) {
    sum += Math.max(0, endedAt - Math.max(until, beganAt))
    until = Math.max(until, endedAt)
  }
  return sum
}
