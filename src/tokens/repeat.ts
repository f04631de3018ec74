import { setTimeout as pause } from 'node:timers/promises'
import { BffError } from '../errors.ts'

const firstPauseMs = 100

/**
 * Repeats a store operation whose outcome is unknown, until the store says what became of it: the scripts are safe to
 * repeat, so the repetition is the read-back.
 * @param most longest pause between two tries, in ms
 * @throws the last BffError `store_unreachable` when `budgetMs` is over
 */
export async function untilDefinite<T>(operation: () => Promise<T>, budgetMs: number, most: number): Promise<T> {
  const until = performance.now() + budgetMs
  for (let wait = Math.min(firstPauseMs, most); ; wait = Math.min(wait * 2, most)) {
    try {
      return await operation()
    } catch (error) {
      if (!(error instanceof BffError) || performance.now() + wait > until) throw error
      await pause(wait)
    }
  }
}
