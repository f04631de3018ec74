import cluster from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'

/** Whether this process is one of several that share the port. */
export const isWorker = cluster.isWorker

/** Tells who started this process that it serves. */
export function tellReady(): void {
  cluster.worker?.send('ready')
}

/** How one of the processes came to its end. */
export interface Crash {
  code: number | null
  signal: string | null
  /** Until another takes its place; `null` for never. */
  pauseMs: number | null
}

/** One that has served for so many times `restartMs` did not crash because of how it was started. */
const longestFactor = 10

/**
 * Runs so many processes of this program, which share its ports, and puts another in the place of one that crashes. A
 * signal to stop is handed to all, and so is the end of one when none has served yet; resolves with the exit code when the
 * last has ended.
 * @param restartMs the pause before one that has crashed twice in a row before it served, or as soon as it did, is
 *   replaced; doubles each further time, up to ten times as much
 */
export async function runWorkers(count: number, restartMs: number, crashed: (crash: Crash) => void): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const stopping = new AbortController()
  const longestMs = restartMs * longestFactor
  let exitCode = 0
  let anyHasServed = false

  /** @param early how many in a row have crashed in this place before they served, or as soon as they did */
  function start(early: number) {
    const worker = cluster.fork()
    let readyAt: number | undefined
    worker.once('message', () => {
      readyAt = performance.now()
      anyHasServed = true
    })
    worker.once('exit', (code, signal) => {
      if (!stopping.signal.aborted) {
        // It never got off the ground: another would fare no better, when a port is in use, say.
        if (!anyHasServed) {
          crashed({ code, signal, pauseMs: null })
          stop(1)
        } else {
          const servedMs = readyAt === undefined ? 0 : performance.now() - readyAt
          const earlyNow = servedMs < longestMs ? early + 1 : 0
          const pauseMs = earlyNow < 2 ? 0 : Math.min(restartMs * 2 ** (earlyNow - 2), longestMs)
          crashed({ code, signal, pauseMs })
          void startAfter(pauseMs, earlyNow)
        }
      }
      endWithTheLast()
    })
  }

  async function startAfter(pauseMs: number, early: number) {
    await pause(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    if (!stopping.signal.aborted) start(early)
  }

  function stop(code: number) {
    exitCode = code
    stopping.abort()
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
    endWithTheLast()
  }

  function endWithTheLast() {
    if (stopping.signal.aborted && Object.keys(cluster.workers ?? {}).length === 0) resolve(exitCode)
  }

  for (let i = 0; i < count; i++) start(0)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(0))
  return promise
}
