import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from './store.ts'

/** Between two tries, in milliseconds. */
const retryMs = 10

/** Waits for a store that has just been made to be connected. @throws BffError `store_unreachable` when it is not in time */
export async function untilReady(store: Pick<Store, 'ready'>, atMostMs: number): Promise<void> {
  const until = performance.now() + atMostMs
  for (;;) {
    try {
      return await store.ready()
    } catch (error) {
      if (performance.now() > until) throw error
      await pause(retryMs)
    }
  }
}
