import type { Chain } from './chains.ts'
import { type Hindrances, readHindrances } from './hindrances.ts'
import type { Exchange, Fault, History } from './history.ts'

/** Why a refresh token was presented again, by the list of unavoidable losses in `docs/refresh-protocol.md`. */
export type Excuse =
  /** It had been declined, or was dead already: to present it again costs nothing. */
  | 'declined'
  | 'refused before'
  /** The answer never arrived. */
  | 'answer lost'
  | 'given up'
  /** Who had asked was killed before it could write what it got. */
  | 'holder killed'
  /** Who had asked was stopped, or away from Redis, for longer than anybody waits. */
  | 'holder out'
  /** It was sent before, and arrived late. */
  | 'delayed'

export interface Excuses {
  /** `null`: there is none. @param first arrived before `second`, with the same token */
  between(chain: Chain, first: Exchange, second: Exchange): Excuse | null
  /** When the node that had asked is known to have had the answer, by its own log. */
  receivedAt(chain: Chain, exchange: Exchange): number | null
}

/** Clocks of two processes, and the time from one line of code to the next. */
const slackMs = 30

/** What was held back arrives one after another when it may, with no more than that between two. */
const burstGapMs = 2 * slackMs

/** A timer may fire late. */
const looseness = 0.85

/** No request was ever seen to arrive later than that after it was given up, on however busy a machine. */
const longestDelayMs = 2_000

export function readExcuses(history: History): Excuses {
  const hindrances = readHindrances(history)
  const { ask, lease, grace } = history.limits
  /** Away for longer than what is left of its lease, and the grace. */
  const outMs = ((2 / 3) * lease + grace) * looseness

  /** When the burst began in which something arrived: what held it back ended shortly before that at the earliest. */
  function burstBegan(node: number, arrived: number): number {
    return history.exchanges
      .filter((one) => one.node === node)
      .reduceRight(
        (began, one) => (one.arrived <= began && began - one.arrived <= burstGapMs ? one.arrived : began),
        arrived,
      )
  }

  /** Faults of these kinds that may have held back what arrived then. */
  function holding(kinds: readonly Fault['kind'][], node: number, arrived: number): Fault[] {
    return hindrances.during(kinds, node, burstBegan(node, arrived) - burstGapMs, arrived)
  }

  function receivedAt(chain: Chain, { node, processed, outcome, fate, arrived }: Exchange): number | null {
    if (outcome !== 'issued' || processed === null || fate === 'swallowed' || fate === 'spoiled') return null
    const next = history.exchanges.find((one) => one.arrived > arrived && isOf(chain, one) && one.node === node)
    const line = history.said.find(
      (said) =>
        said.event === 'refresh' &&
        said.outcome === 'issued' &&
        said.ref === chain.ref &&
        said.node === node &&
        said.at >= processed - slackMs &&
        said.at <= (next?.processed ?? Number.POSITIVE_INFINITY),
    )
    return line?.at ?? null
  }

  /** Killed before it had written what it received. */
  function killed(node: number, from: number, to: number, received: number | null): boolean {
    return hindrances
      .during(['kill'], node, from, to)
      .some(({ began }) => began >= from && began <= to && !wrote(hindrances, node, received, began))
  }

  function out(node: number, from: number, to: number, received: number | null): boolean {
    return hindrances.of(node).some(({ began, ended, own }) => {
      const until = Math.min(ended, to)
      return own && ended >= from - lease && until - began >= outMs && !wrote(hindrances, node, received, began)
    })
  }

  function lost({ node, fate, arrived, ended }: Exchange, before: number): boolean {
    const isGone = fate === 'swallowed' || fate === 'dropped' || fate === 'left'
    if (isGone && ended !== null && ended <= before) return true
    const until = Math.min((ended ?? before) + slackMs, before)
    return hindrances.during(['provider-cut', 'provider-hold'], node, arrived - slackMs, until).length > 0
  }

  /** Waited for in vain as long as a node waits, by its own word: how long a request travels is the machine's affair. */
  function gaveUp({ ref }: Chain, { node, arrived }: Exchange, before: number): boolean {
    return history.said.some(({ at, askedMs, ...line }) => {
      const isIts = line.ref === ref && line.node === node && line.outcome === 'silent' && askedMs !== null
      if (!isIts || askedMs < ask * looseness) return false
      const sent = at - askedMs
      return sent <= arrived + slackMs && arrived <= at + longestDelayMs && at <= before + slackMs
    })
  }

  /** Sent at a time when nobody could know better: held on its way, or by a node that was stopped in the act. */
  function delayed({ node, arrived }: Exchange, since: number): boolean {
    return holding(['provider-hold', 'stop-short', 'stop-long', 'stalled'], node, arrived).some(
      ({ began }) => began <= since,
    )
  }

  return {
    receivedAt,
    between(chain, first, second) {
      const { node, arrived, fate, outcome } = first
      const to = second.arrived
      if (outcome === 'refused' && (first.processed ?? to) < to) return 'refused before'
      if ((fate === 'declined' || fate === 'spoiled') && (first.ended ?? to) <= to) return 'declined'
      const received = receivedAt(chain, first)
      const known = received !== null && received < to ? received : null
      if (known === null) {
        if (lost(first, to)) return 'answer lost'
        if (gaveUp(chain, first, to)) return 'given up'
      }
      if (killed(node, arrived - slackMs, to, known)) return 'holder killed'
      if (out(node, arrived, to, known)) return 'holder out'
      return delayed(second, known ?? arrived) ? 'delayed' : null
    },
  }
}

function wrote(hindrances: Hindrances, node: number, received: number | null, before: number): boolean {
  return received !== null && hindrances.couldWrite(node, received, before)
}

function isOf(chain: Chain, { presented }: Exchange): boolean {
  return presented !== null && chain.tokens.includes(presented)
}
