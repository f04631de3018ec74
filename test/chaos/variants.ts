import type { Store, TokenRecord, TokenRecords } from '../../src/storage/store.ts'
import type { FaultKind } from './schedule.ts'

/** What makes a broken rule show soon: the faults to choose from, and how the provider is. */
interface Provocation {
  kinds: readonly FaultKind[]
  everyMs: number
  lastsMs?: readonly [number, number]
  leewayMs?: number
}

/** Ways to break the protocol, one rule left out each. */
export const variants = ['lease always grants', 'no attempt marker', 'no re-read', 'version ignored'] as const

export type Variant = (typeof variants)[number]

export function isVariant(name: string): name is Variant {
  return variants.some((variant) => variant === name)
}

export const provocations: Readonly<Record<Variant, Provocation>> = {
  // Two nodes that are asked for one session at the same time are enough.
  'lease always grants': { kinds: ['stop-short'], everyMs: 2_000 },
  'no re-read': { kinds: ['stop-short'], everyMs: 2_000 },
  // Who comes after a presenter that died does not know that there was one.
  'no attempt marker': { kinds: ['kill-asker'], everyMs: 1_000 },
  // Somebody comes back with an answer that others have long gone beyond, and the provider has forgiven them.
  'version ignored': { kinds: ['redis-hold-asker'], everyMs: 500, lastsMs: [3_700, 4_700], leewayMs: 3_000 },
}

/** A store that leaves one rule out, over one that keeps them all. */
export function breakStore(store: Store, variant: Variant): Store {
  return { ...store, tokens: { ...store.tokens, ...broken[variant](store.tokens) } }
}

const broken: { [name in Variant]: (tokens: TokenRecords) => Partial<TokenRecords> } = {
  'lease always grants': (tokens) => ({
    async acquire(ref, flight) {
      const acquired = await tokens.acquire(ref, flight)
      if (acquired.is !== 'busy' && acquired.is !== 'doubt') return acquired
      const record = await tokens.read(ref)
      return record === null ? await tokens.acquire(ref, flight) : { is: 'acquired', record }
    },
    async mark(ref, flight) {
      const marked = await tokens.mark(ref, flight)
      return marked.is === 'lost' ? { is: 'marked' } : marked
    },
  }),
  'no attempt marker': (tokens) => ({
    // The lease is renewed, and nothing is noted in the record.
    async mark(ref, flight) {
      const acquired = await tokens.acquire(ref, { ...flight, doubt: null, open: true })
      if (acquired.is === 'acquired') return { is: 'marked' }
      return acquired.is === 'gone' || acquired.is === 'changed' ? acquired : { is: 'lost' }
    },
    // Nobody can be asked whether it is the marker's flight that ends it.
    end: (ref, reason) => tokens.end(ref, reason, null),
  }),
  'no re-read': (tokens) => {
    const seen = new Map<string, TokenRecord>()
    const versions = new Map<string, number>()
    /** Every later command of the flight speaks of the version that stands there. */
    const now = <T extends { id: string; version: number }>(flight: T): T => ({
      ...flight,
      version: versions.get(flight.id) ?? flight.version,
    })
    return {
      async read(ref) {
        const record = await tokens.read(ref)
        if (record !== null) seen.set(`${ref} ${record.version}`, record)
        return record
      },
      async acquire(ref, flight) {
        const acquired = await tokens.acquire(ref, flight)
        const old = seen.get(`${ref} ${flight.version}`)
        if (acquired.is !== 'changed' || old === undefined) return acquired
        const { version } = acquired.record
        versions.set(flight.id, version)
        const again = await tokens.acquire(ref, { ...flight, version })
        return again.is === 'acquired' ? { is: 'acquired', record: { ...again.record, set: old.set } } : again
      },
      mark: (ref, flight) => tokens.mark(ref, now(flight)),
      replace: (ref, flight) => tokens.replace(ref, now(flight)),
      release: (ref, flight) => tokens.release(ref, now(flight)),
      end: (ref, reason, fence) => tokens.end(ref, reason, fence === null ? null : now(fence)),
    }
  },
  'version ignored': (tokens) => ({
    async replace(ref, flight) {
      const record = await tokens.read(ref)
      return await tokens.replace(ref, record === null ? flight : { ...flight, version: record.version })
    },
  }),
}
