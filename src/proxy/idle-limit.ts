/**
 * How long bodies may be silent, by one coarse clock: a timer for each would cost more than passing a small one on.
 * It counts its own ticks, so that a process that was stopped does not take its own pause for theirs.
 */
export interface IdleLimit {
  /** @param late called when nothing was heard for the limit (and up to a tenth more) */
  watch(late: () => void): Watch
}

/** One body that is listened to. */
export interface Watch {
  heard(): void
  /** Nobody listens until it is heard again, so that silence says nothing. */
  hold(): void
  release(): void
}

/** @param limitMs in milliseconds */
export function createIdleLimit(limitMs: number): IdleLimit {
  const watched = new Set<Watched>()
  let clock: NodeJS.Timeout | undefined

  function tick() {
    if (watched.size === 0) {
      clearInterval(clock)
      clock = undefined
    }
    for (const each of watched) each.tick()
  }

  return {
    watch(late) {
      clock ??= setInterval(tick, Math.max(limitMs / ticks, 1)).unref()
      return new Watched(watched, late)
    },
  }
}

const ticks = 10

/** A class, as its methods would be three closures for each response otherwise. */
class Watched implements Watch {
  readonly #others: Set<Watched>
  readonly #late: () => void
  #silentTicks = 0

  constructor(others: Set<Watched>, late: () => void) {
    this.#others = others
    this.#late = late
    others.add(this)
  }

  tick() {
    this.#silentTicks += 1
    if (this.#silentTicks <= ticks) return
    this.release()
    this.#late()
  }

  heard() {
    this.#silentTicks = 0
  }

  hold() {
    this.#silentTicks = Number.NEGATIVE_INFINITY
  }

  release() {
    this.#others.delete(this)
  }
}
