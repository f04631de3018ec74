import type { Finding } from './check.ts'
import type { History } from './history.ts'

/** One line about how it goes. */
export function progressLine({ calls, exchanges, faults, logins, said }: History, at: number): string {
  const unavailable = calls.filter(({ status }) => status === 503).length
  const refreshes = exchanges.filter(({ presented, outcome }) => presented !== null && outcome === 'issued').length
  const reasons = tally(
    said.flatMap(({ event, reason }) => (event === 'session_ended' && reason !== null ? [reason] : [])),
  )
  const ended = [...reasons.values()].reduce((sum, count) => sum + count, 0)
  const struck = faults.filter(({ kind }) => kind !== 'stalled').length
  return `${(at / 1000).toFixed(0).padStart(4)} s: ${calls.length} requests (${unavailable} with 503), ${refreshes} refreshes, ${struck} faults, ${logins.length - ended} sessions alive, ended: ${list(reasons)}`
}

/** What happened, and what it proves. */
export function summary({ calls, exchanges, faults, logins, uses, said }: History, finding: Finding): string[] {
  const refreshes = exchanges.filter(({ presented }) => presented !== null)
  return [
    `requests: ${calls.length}, authorised ${uses.length}; answers: ${list(tally(calls.map(({ status, aborted, code }) => (aborted ? 'left' : status === 200 ? '200' : `${status ?? 'broken'} ${code ?? ''}`.trim()))))}`,
    `refreshes: ${refreshes.length}; ${list(tally(refreshes.map(({ outcome, fate }) => `${outcome} ${fate}`)))}`,
    `faults: ${list(tally(faults.map(({ kind }) => kind)))}`,
    `presented again: ${list(finding.presentedAgain)}`,
    `sessions: ${logins.length}; ended: ${list(finding.ended)}`,
    `nodes said: ${list(tally(said.map(({ event }) => event)))}`,
    finding.violations.length === 0
      ? 'every rule holds'
      : `VIOLATED: ${list(tally(finding.violations.map(({ rule }) => rule)))}`,
  ]
}

function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function list(counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return 'none'
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
