/**
 * What was found last, for questions that always have the same answer. Bounded by two generations: as long as it is
 * asked it costs no upkeep, and what is asked for again outlives what is not.
 */
export interface Recent<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

/** @param limit most entries that are kept */
export function createRecent<Value>(limit: number): Recent<Value> {
  let young = new Map<string, Value>()
  let old = new Map<string, Value>()

  function set(key: string, value: Value) {
    if (young.size >= limit / 2) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
  return {
    get(key) {
      const found = young.get(key)
      if (found !== undefined) return found
      const older = old.get(key)
      if (older !== undefined) set(key, older)
      return older
    },
    set,
  }
}

/**
 * A function that remembers its last results. For pure functions of one text alone: the key is the exact text, so what
 * is remembered is never out of date.
 * @param limit how many results are kept
 * @param work `null` is not remembered: whoever sends nonsense must not push out what others need
 */
export function remembering<Result>(
  limit: number,
  work: (text: string) => Result | null,
): (text: string) => Result | null {
  const known = createRecent<Result>(limit)
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = work(text)
    if (result !== null) known.set(text, result)
    return result
  }
}
