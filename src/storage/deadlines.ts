/**
 * One deadline for many promises by a coarse clock: a timer, an abort signal and their garbage for each store command
 * would cost more than the command (see the benchmark).
 */
export interface Deadlines {
  /** The promise itself, or a rejection with `late()` when it takes longer than the limit (and up to a tenth more). */
  within<T>(promise: Promise<T>): Promise<T>
}

export function createDeadlines(limitMs: number, late: () => Error, failure: (cause: unknown) => Error): Deadlines {
  const waiting = new Set<{ since: number; reject: (error: Error) => void }>()
  let clock: NodeJS.Timeout | undefined

  function tick() {
    if (waiting.size === 0) {
      clearInterval(clock)
      clock = undefined
      return
    }
    const limit = performance.now() - limitMs
    const [oldest] = waiting
    // Not at once: after a pause of this process the answer may lie in the socket, yet to be read.
    if (oldest !== undefined && oldest.since <= limit) setImmediate(rejectBefore, limit)
  }

  function rejectBefore(limit: number) {
    for (const entry of waiting) {
      // Insertion order is order of age: the rest is younger.
      if (entry.since > limit) return
      waiting.delete(entry)
      entry.reject(failure(late()))
    }
  }

  return {
    within<T>(promise: Promise<T>) {
      clock ??= setInterval(tick, Math.max(limitMs / 10, 1))
      return new Promise<T>((resolve, reject) => {
        const entry = { since: performance.now(), reject }
        waiting.add(entry)
        promise.then(
          (value) => {
            waiting.delete(entry)
            resolve(value)
          },
          (error: unknown) => {
            waiting.delete(entry)
            reject(failure(error))
          },
        )
      })
    },
  }
}
