/** Entries between two sweeps of what has expired. */
const sweepEvery = 1024

export interface ExpiringMap<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value, lifeMs: number): void
  expire(key: string, lifeMs: number): void
  /** Milliseconds left; 0 for what is not there. */
  left(key: string): number
  /** What is there now. */
  keys(): string[]
  delete(key: string): boolean
}

/** A map whose entries have a life, in milliseconds by the given clock. Needs no timer: writes sweep now and then. */
export function createExpiringMap<Value>(now: () => number): ExpiringMap<Value> {
  const entries = new Map<string, { value: Value; until: number }>()
  let writes = 0

  function live(key: string) {
    const entry = entries.get(key)
    if (entry === undefined || entry.until > now()) return entry
    entries.delete(key)
    return undefined
  }

  return {
    get: (key) => live(key)?.value,
    set(key, value, lifeMs) {
      const at = now()
      entries.set(key, { value, until: at + lifeMs })
      writes += 1
      if (writes % sweepEvery !== 0) return
      for (const [old, { until }] of entries) if (until <= at) entries.delete(old)
    },
    expire(key, lifeMs) {
      const entry = live(key)
      if (entry !== undefined) entry.until = now() + lifeMs
    },
    left(key) {
      const entry = live(key)
      return entry === undefined ? 0 : entry.until - now()
    },
    keys: () => [...entries.keys()].filter((key) => live(key) !== undefined),
    delete: (key) => entries.delete(key),
  }
}
