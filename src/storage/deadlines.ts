/**
 * One deadline for many promises by a coarse clock: a timer, an abort signal and their garbage for each store command
 * would cost more than the command (see the benchmark). The clock counts its own ticks: a pause of this process is one,
 * however long, and what was to be sent or read meanwhile has its time yet.
 */
export interface Deadlines {
  /** The promise itself, or a rejection with `late()` when it takes longer than the limit (and up to a tenth more). */
  within<T>(promise: Promise<T>): Promise<T>
}

export function createDeadlines(limitMs: number, late: () => Error, failure: (cause: unknown) => Error): Deadlines {
  const waiting = new Set<{ since: number; reject: (error: Error) => void }>()
  let clock: NodeJS.Timeout | undefined
  let now = 0

  function tick() {
    now += 1
    if (waiting.size === 0) {
      clearInterval(clock)
      clock = undefined
    }
    for (const entry of waiting) {
      // Insertion order is order of age: the rest is younger.
      if (now - entry.since <= ticks) return
      waiting.delete(entry)
      entry.reject(failure(late()))
    }
  }

  return {
    within<T>(promise: Promise<T>) {
      clock ??= setInterval(tick, Math.max(limitMs / ticks, 1))
      return new Promise<T>((resolve, reject) => {
        const entry = { since: now, reject }
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

const ticks = 10
