import type { Fault, History } from './history.ts'

/** A time in which a node could not work, or could not reach Redis. */
export interface Hindrance {
  began: number
  ended: number
  /** Whether any part of it was this node's own trouble, and not everybody's. */
  own: boolean
}

export interface Hindrances {
  /** Those of a node, joined where the node had no time to do anything in between. */
  of(node: number): readonly Hindrance[]
  /** Whether the node could work with Redis for long enough in between to write what it had. */
  couldWrite(node: number, from: number, to: number): boolean
  /** Faults of these kinds that struck the node, or all of them, at any time in between. */
  during(kinds: readonly Fault['kind'][], node: number, from: number, to: number): Fault[]
}

const hindering: readonly Fault['kind'][] = ['stop-short', 'stop-long', 'redis-cut', 'redis-hold', 'freeze', 'stalled']

/** After a fault a node needs so long until it has its connections again: what follows within it belongs to it. */
const recoveryMs = 300

/** So long without a hindrance is long enough for a write. */
const writeMs = 300

export function readHindrances({ faults }: History): Hindrances {
  const known = new Map<number, Hindrance[]>()
  const endOf = ({ ended }: Fault) => ended ?? Number.POSITIVE_INFINITY

  function of(node: number): Hindrance[] {
    const before = known.get(node)
    if (before !== undefined) return before
    const joined: Hindrance[] = []
    const own = faults.filter((fault) => hindering.includes(fault.kind) && (fault.node === null || fault.node === node))
    for (const fault of own.toSorted((a, b) => a.began - b.began)) {
      const last = joined.at(-1)
      if (last !== undefined && fault.began <= last.ended + recoveryMs) {
        last.ended = Math.max(last.ended, endOf(fault))
        last.own ||= fault.node !== null
      } else joined.push({ began: fault.began, ended: endOf(fault), own: fault.node !== null })
    }
    known.set(node, joined)
    return joined
  }

  return {
    of,
    couldWrite(node, from, to) {
      let free = from
      for (const { began, ended } of of(node)) {
        if (ended + recoveryMs < free) continue
        if (Math.min(began, to) - free >= writeMs) return true
        free = Math.max(free, ended + recoveryMs)
      }
      return to - free >= writeMs
    },
    during: (kinds, node, from, to) =>
      faults.filter(
        (fault) =>
          kinds.includes(fault.kind) &&
          (fault.node === null || fault.node === node) &&
          fault.began <= to &&
          endOf(fault) >= from,
      ),
  }
}
