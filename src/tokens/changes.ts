import type { Store } from '../storage/store.ts'

/** What the channel says about one session, for as long as somebody wants to know. */
export interface ChangeWatch {
  /** Waits for the next change, at most so long; `false` when there was none. A change since the last wait counts. */
  next(atMostMs: number): Promise<boolean>
  close(): void
}

/** Hands changes to those who watch their session. */
export function watchChanges(store: Store): (ref: string) => ChangeWatch {
  const watched = new Map<string, Set<() => void>>()
  store.onChange((change) => {
    if (change.is === 'reconnected') {
      for (const watchers of watched.values()) for (const wake of watchers) wake()
    } else {
      for (const wake of watched.get(change.ref) ?? []) wake()
    }
  })

  return (ref) => {
    let happened = false
    let resume: (() => void) | undefined
    const wake = () => {
      happened = true
      resume?.()
    }
    const watchers = watched.get(ref) ?? new Set()
    watched.set(ref, watchers.add(wake))

    return {
      async next(atMostMs) {
        if (!happened) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, atMostMs)
            resume = () => {
              clearTimeout(timer)
              resolve()
            }
          })
        }
        const changed = happened
        happened = false
        resume = undefined
        return changed
      },
      close() {
        watchers.delete(wake)
        if (watchers.size === 0) watched.delete(ref)
      },
    }
  }
}
