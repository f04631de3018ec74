import type { Call, Fault } from '../history.ts'
import type { Evidence, Violation } from '../violation.ts'

const right = new Set([200, 401, 503])

/** A connection to a node that goes down breaks, also some moments around it. */
const aroundMs = 300

/** Every request is answered in time, with what it asked for or with a reason why not; no node dies by itself. */
export function answers({ history }: Evidence): Violation[] {
  const { faults, limits, calls, said } = history
  const accuse = (sentence: string, ref: string | null, events: readonly unknown[]): Violation[] => [
    { rule: 'answer missing or wrong', sentence, ref, events },
  ]

  const wrong = calls.flatMap((call): Violation[] => {
    const { ref, began, ended, status, aborted } = call
    if (aborted) return []
    if (ended === null) return accuse('a call was never answered', ref, [call])
    const took = ended - began
    const allowed = limits.answer + stoppedMs(faults, call, ended)
    if (took > allowed) return accuse(`a call took ${took} ms of ${allowed} ms`, ref, [call])
    if (status === null) {
      return wasDown(faults, call, ended) ? [] : accuse('a connection broke though its node was up', ref, [call])
    }
    return right.has(status) ? [] : accuse(`a call was answered with ${status}`, ref, [call])
  })
  const broke = said.flatMap((line): Violation[] => {
    if (line.event === 'request_broke') return accuse(`node ${line.node} met an error of its own`, line.ref, [line])
    return /^(exited|wrote)/.test(line.event) ? accuse(`node ${line.node} ${line.event}`, null, [line]) : []
  })
  return [...wrong, ...broke]
}

/** How long the node of a call did not run while the call was made: stops are ours, stalls are the machine's. */
function stoppedMs(faults: readonly Fault[], { node, began }: Call, ended: number): number {
  return faults
    .filter(({ kind, node: struck }) => isStop(kind) && (struck === null || struck === node))
    .reduce((sum, stop) => sum + Math.max(Math.min(stop.ended ?? ended, ended) - Math.max(stop.began, began), 0), 0)
}

function isStop(kind: Fault['kind']): boolean {
  return kind === 'stop-short' || kind === 'stop-long' || kind === 'stalled'
}

function wasDown(faults: readonly Fault[], { node, began }: Call, ended: number): boolean {
  return faults.some(
    (fault) =>
      (fault.kind === 'kill' || fault.kind === 'term') &&
      fault.node === node &&
      fault.began <= ended + aroundMs &&
      (fault.ended ?? ended) + aroundMs >= began,
  )
}
