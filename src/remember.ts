/**
 * A function that remembers its last results. For pure functions of one text alone: the key is the exact text, so what
 * is remembered is never out of date.
 * @param limit how many results are kept; beyond, the oldest goes
 * @param work `null` is not remembered: whoever sends nonsense must not push out what others need
 */
export function remembering<Result>(
  limit: number,
  work: (text: string) => Result | null,
): (text: string) => Result | null {
  const known = new Map<string, Result>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = work(text)
    if (result === null) return null
    if (known.size >= limit) {
      const [oldest] = known.keys()
      if (oldest !== undefined) known.delete(oldest)
    }
    known.set(text, result)
    return result
  }
}
