import { createRandom } from '../support/random.ts'

interface Kind {
  /** What it strikes: one node, or something that all of them need. */
  on: 'node' | 'redis' | 'provider'
  /** How often, compared with the others. */
  weight: number
  /** Shortest and longest, in milliseconds. */
  ms: readonly [number, number]
}

/** Everything that can go wrong. The times are for deadlines of a tenth of the defaults: a lease of one second. */
export const faultKinds = {
  /** SIGKILL; started again after so long. */
  kill: { on: 'node', weight: 8, ms: [100, 1500] },
  /** SIGTERM; started again so long after it has ended. */
  term: { on: 'node', weight: 8, ms: [0, 800] },
  /** SIGSTOP until SIGCONT, too short to matter. */
  'stop-short': { on: 'node', weight: 6, ms: [50, 700] },
  /** The same, long enough to be taken for dead. */
  'stop-long': { on: 'node', weight: 6, ms: [1200, 4000] },
  /** Connections between node and Redis are reset. */
  'redis-cut': { on: 'node', weight: 8, ms: [20, 2500] },
  /** Nothing passes between node and Redis. */
  'redis-hold': { on: 'node', weight: 8, ms: [50, 3000] },
  'provider-cut': { on: 'node', weight: 6, ms: [20, 1500] },
  'provider-hold': { on: 'node', weight: 6, ms: [50, 2500] },
  /** Strikes the next node for which the provider rotates, at that moment. */
  'kill-asker': { on: 'node', weight: 4, ms: [100, 1500] },
  'stop-asker': { on: 'node', weight: 4, ms: [300, 3500] },
  'redis-hold-asker': { on: 'node', weight: 5, ms: [100, 4500] },
  /** SIGSTOP of Redis until SIGCONT. */
  freeze: { on: 'redis', weight: 10, ms: [50, 3000] },
  unavailable: { on: 'provider', weight: 6, ms: [300, 3000] },
  'too-many': { on: 'provider', weight: 4, ms: [300, 1500] },
  /** Requests wait, and are then dropped without having been looked at. */
  hang: { on: 'provider', weight: 6, ms: [300, 4000] },
  /** Requests wait, and are then processed, whether or not anybody still waits for the answer. */
  late: { on: 'provider', weight: 3, ms: [200, 1300] },
  /** The next rotation is made and its answer is lost. */
  swallow: { on: 'provider', weight: 5, ms: [0, 0] },
  /** The next rotation is made and answered with 502. */
  spoil: { on: 'provider', weight: 3, ms: [0, 0] },
} as const satisfies Record<string, Kind>

export type FaultKind = keyof typeof faultKinds

export interface PlannedFault {
  /** Milliseconds since the storm began. */
  at: number
  kind: FaultKind
  /** The node it strikes; for the kinds that choose theirs by themselves and for those that strike all, `null`. */
  node: number | null
  ms: number
}

export interface ScheduleOptions {
  seed: number
  stormMs: number
  nodes: number
  /** Kinds to choose from. @default all */
  kinds?: readonly FaultKind[]
  /** Mean pause between two faults, in milliseconds. @default 700 */
  everyMs?: number
  /** Shortest and longest, for every kind. @default what the kind says */
  lastsMs?: readonly [number, number]
}

/** Nothing goes wrong for so long, so that everybody is at work when it begins. */
const calmMs = 1000

/** What goes wrong and when: the same for the same options. Each node and each of the others has one fault at a time. */
export function createSchedule(options: ScheduleOptions): PlannedFault[] {
  const { seed, stormMs, nodes, kinds, everyMs = 700 } = options
  const random = createRandom(seed)
  const names = kinds ?? (Object.keys(faultKinds) as FaultKind[]) // the table has no other keys
  const busyUntil = new Map<string, number>()
  const faults: PlannedFault[] = []

  for (let at = calmMs; at < stormMs; at += random.int(everyMs * 0.2, everyMs * 1.8)) {
    const kind = pickByWeight(random.next(), names)
    const { on } = faultKinds[kind]
    const [shortest, longest] = options.lastsMs ?? faultKinds[kind].ms
    const asker = kind.endsWith('-asker')
    const node = on === 'node' && !asker ? random.int(0, nodes - 1) : null
    const lasts = Math.min(random.int(shortest, longest), stormMs - at)
    const struck = node === null ? (asker ? 'asker' : on) : `node ${node}`
    if ((busyUntil.get(struck) ?? 0) > at) continue
    busyUntil.set(struck, at + lasts)
    faults.push({ at, kind, node, ms: lasts })
  }
  return faults
}

function pickByWeight(share: number, names: readonly FaultKind[]): FaultKind {
  let left = share * names.reduce((sum, name) => sum + faultKinds[name].weight, 0)
  for (const name of names) {
    left -= faultKinds[name].weight
    if (left < 0) return name
  }
  throw new RangeError('there is no kind of fault to pick from')
}
