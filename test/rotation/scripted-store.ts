import { BffError } from '../../src/errors.ts'
import type { Store, TokenRecords } from '../../src/storage/store.ts'

type Operation = keyof TokenRecords

/** A point at which a node stands still. */
export interface Stop {
  reached: Promise<void>
  /** Lets it go on. */
  go(): void
}

/** A store whose operations stop, get lost or come late when a test says so. It decides nothing by itself. */
export interface ScriptedStore {
  store: Store
  /** Every token operation that was called, oldest first. */
  calls: readonly Operation[]
  /** The next call stops, before the store has seen it or when the answer is there. */
  stop(operation: Operation, where: 'before' | 'after'): Stop
  /**
   * The answer to the next call is lost: it was carried out, or never is, or is when the function returned is called.
   * Several calls queue up.
   */
  lose(operation: Operation, fate: 'applied' | 'never' | 'late'): () => Promise<unknown>
  /** Nothing reaches the store any more, nor does anything on its channel arrive. */
  cut(): void
  mend(): void
}

type Script = { is: 'stop'; where: 'before' | 'after'; arrived: () => void; open: Promise<void> } | Loss
interface Loss {
  is: 'lose'
  fate: 'applied' | 'never' | 'late'
  run: (apply: () => Promise<unknown>) => void
}

export function scriptStore(store: Store): ScriptedStore {
  const scripts = new Map<Operation, Script[]>()
  const calls: Operation[] = []
  let away = false
  const plan = (operation: Operation, script: Script) =>
    scripts.set(operation, [...(scripts.get(operation) ?? []), script])

  async function play(operation: Operation, apply: () => Promise<unknown>): Promise<unknown> {
    calls.push(operation)
    if (away) throw unreachable()
    const script = scripts.get(operation)?.shift()
    if (script === undefined) return await apply()
    if (script.is === 'stop') {
      const result = script.where === 'after' ? apply() : undefined
      await result
      script.arrived()
      await script.open
      return await (result ?? apply())
    }
    if (script.fate === 'applied') await apply()
    script.run(apply)
    throw unreachable()
  }

  const tokens = new Proxy(store.tokens, {
    get(target, operation: Operation) {
      const apply: unknown = target[operation]
      if (typeof apply !== 'function') return apply
      return (...args: unknown[]) => play(operation, () => Reflect.apply(apply, target, args))
    },
  })
  return {
    store: { ...store, tokens, onChange: (listener) => store.onChange((change) => away || listener(change)) },
    calls,
    stop(operation, where) {
      const reached = Promise.withResolvers<void>()
      const open = Promise.withResolvers<void>()
      plan(operation, { is: 'stop', where, arrived: reached.resolve, open: open.promise })
      return { reached: reached.promise, go: open.resolve }
    },
    lose(operation, fate) {
      const late = Promise.withResolvers<() => Promise<unknown>>()
      plan(operation, { is: 'lose', fate, run: late.resolve })
      return async () => (await late.promise)()
    },
    cut() {
      away = true
    },
    mend() {
      away = false
    },
  }
}

function unreachable(): BffError {
  return new BffError('store_unreachable', { cause: new Error('lost by the test'), retryAfterSeconds: 1 })
}
