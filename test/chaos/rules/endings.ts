import type { Chain } from '../chains.ts'
import type { Call, Exchange, Said } from '../history.ts'
import { countIn, type Evidence, type Violation } from '../violation.ts'

/** Ended by what the provider said; any other reason a node can give for one is somebody's wish, or a fault of ours. */
const byProvider = new Set(['refused', 'rotation_lost'])
const byUser = new Set(['logout', 'replaced'])

/**
 * A session ends because its user left, or because the provider had rotated and the answer, or the only node that held
 * it, was destroyed; and somebody says so.
 * @param unexcused sessions whose tokens were presented again without an excuse
 */
export function endings(
  { history, chains }: Evidence,
  unexcused: ReadonlySet<string | null>,
): { violations: Violation[]; counts: Map<string, number> } {
  const violations: Violation[] = []
  const counts = new Map<string, number>()
  const accuse = (rule: Violation['rule'], sentence: string, ref: string, events: readonly unknown[]) =>
    violations.push({ rule, sentence, ref, events })
  const said = history.said.filter(({ ref }) => ref !== null)
  const reasons = new Map(said.flatMap(({ event, ref, reason }) => (event === 'session_ended' ? [[ref, reason]] : [])))

  for (const line of said) {
    if (line.event === 'rotation_lost' && line.ref !== null) {
      accuse('ended without cause', 'a rotated token was dropped, which no fault lasted long enough for', line.ref, [
        line,
      ])
    }
  }
  for (const { ref } of history.logins) {
    const chain = chains.get(ref)
    const reason = reasons.get(ref)
    const turnedAway = history.calls.find((call) => call.ref === ref && isTurnedAway(call))
    const refused = chain?.presentations.flat().find(({ outcome }) => outcome === 'refused')
    const left = history.departures.find((one) => one.ref === ref)
    if (left !== undefined && (reason === undefined || byUser.has(reason ?? ''))) {
      countIn(counts, left.how)
      continue
    }
    if (reason === undefined && turnedAway === undefined) continue
    countIn(counts, reason ?? 'not said')
    const lines = said.filter((line) => line.ref === ref)
    const events = [...(chain?.presentations.flat() ?? []), ...lines, ...(turnedAway === undefined ? [] : [turnedAway])]
    const couldNotSay =
      refused !== undefined && (saidThatItFailed(lines, refused) || wasHindered(history.faults, refused))
    if (reason === undefined && !couldNotSay) {
      accuse('ended without a stated reason', 'it was over for its user and no node has said why', ref, events)
    } else if (reason !== undefined && !byProvider.has(reason ?? '')) {
      accuse('ended without cause', `it ended as ${reason}, and nobody had asked for that`, ref, events)
    } else if (chain === undefined || !hasReuse(chain)) {
      const revoked = history.revocations.filter(({ token }) => chain?.tokens.includes(token))
      const why = revoked.length > 0 ? 'we had revoked it' : 'the provider had not rotated its token'
      accuse('ended without cause', `it ended as ${reason}, and ${why}`, ref, [...revoked, ...events])
    } else if (reason === 'refused' && wasInDoubt(chain, endedBy(history.said, ref))) {
      accuse(
        'ended without a stated reason',
        'it ended as refused, and its token was in doubt: rotation_lost',
        ref,
        events,
      )
    } else if (unexcused.has(ref)) {
      accuse('ended without cause', `it ended as ${reason} by a presentation that has no excuse`, ref, events)
    }
  }
  return { violations, counts }
}

function isTurnedAway({ status, afterLeaving }: Call): boolean {
  return status === 401 && !afterLeaving
}

/** Whether a token was processed again after it had been rotated: that is what ends a grant. */
function hasReuse({ presentations }: Chain): boolean {
  return presentations.some((all) => {
    const processed = all.filter(({ processed }) => processed !== null)
    return processed.length > 1 && processed.some(({ outcome }) => outcome === 'issued')
  })
}

function endedBy(said: readonly Said[], ref: string): Said | undefined {
  return said.find((line) => line.event === 'session_ended' && line.ref === ref)
}

/** Whether the token whose refusal ended a session had been presented before, and the node could not know with what result. */
function wasInDoubt({ presentations }: Chain, line: Said | undefined): boolean {
  const refused = presentations
    .flat()
    .filter((one) => one.outcome === 'refused' && one.node === line?.node && (one.processed ?? 0) <= line.at)
    .toSorted((a, b) => (a.processed ?? 0) - (b.processed ?? 0))
    .at(-1)
  const same = presentations.find((all) => refused !== undefined && all.includes(refused)) ?? []
  const before = same.filter((one) => refused !== undefined && one.arrived < refused.arrived)
  return before.some(({ fate }) => fate !== 'declined' && fate !== 'spoiled')
}

/** Whether the node that was refused has said that, and that the store did not tell whether it had done what it asked for. */
function saidThatItFailed(lines: readonly Said[], { node, processed }: Exchange): boolean {
  const after = lines.filter((line) => line.node === node && line.at >= (processed ?? 0))
  const refused = after.findIndex(({ event, outcome }) => event === 'refresh' && outcome === 'refused')
  return refused >= 0 && after.slice(refused).some(({ event }) => event === 'refresh_failed')
}

/** Whether the node that was refused could not say so, or could not learn that the store had done what it asked for. */
function wasHindered(faults: Evidence['history']['faults'], { node, processed }: Exchange): boolean {
  const from = processed ?? 0
  return faults.some(
    (fault) =>
      (fault.node === null || fault.node === node) && fault.began <= from + 2_000 && (fault.ended ?? from) >= from,
  )
}
