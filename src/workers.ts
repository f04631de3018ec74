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
  /** Why it could not even be started. */
  error?: unknown
  /** Until another takes its place; `null` for never. */
  pauseMs: number | null
}

/** So many times `restartMs` is the longest pause; who has served for that long did not crash because of the start. */
const longestFactor = 10

/** By which a process is told to end in order. */
export const stopSignals = ['SIGINT', 'SIGTERM'] as const

/**
 * Runs so many processes of this program, which share its ports, and puts another in the place of one that crashes, or
 * that cannot be started. A signal to stop is handed to all, and so is the end of one when none has served yet; resolves
 * when the last has ended, with exit code 1 if one crashed with none to take its place, and 0 otherwise. Each signal is
 * listened to once: a second one ends this process at once, and all the others with it.
 * @param restartMs the pause before one that has crashed twice in a row before it served, or as soon as it did, is
 *   replaced; doubles each further time, up to ten times as much
 */
export async function runWorkers(count: number, restartMs: number, crashed: (crash: Crash) => void): Promise<number> {
  const stopping = new AbortController()
  const longestMs = restartMs * longestFactor
  let exitCode = 0
  let anyHasServed = false

  async function keepOne() {
    /** How many in a row have crashed before they served, or as soon as they did. */
    let early = 0
    while (!stopping.signal.aborted) {
      const { servedMs, ...end } = await runOne(() => {
        anyHasServed = true
      }).catch((error: unknown) => ({ code: null, signal: null, servedMs: 0, error }))
      const { aborted } = stopping.signal
      if (aborted && (end.code === 0 || stopSignals.some((name) => name === end.signal))) return
      // If none ever got off the ground, another would fare no better, when a port is in use, say.
      if (aborted || !anyHasServed) {
        crashed({ ...end, pauseMs: null })
        exitCode = 1
        return stopping.abort()
      }
      early = servedMs < longestMs ? early + 1 : 0
      const pauseMs = early < 2 ? 0 : Math.min(restartMs * 2 ** (early - 2), longestMs)
      crashed({ ...end, pauseMs })
      await pause(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }

  stopping.signal.addEventListener('abort', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
  })
  for (const signal of stopSignals) process.once(signal, () => stopping.abort())
  await Promise.all(Array.from({ length: count }, keepOne))
  return exitCode
}

/** Runs one process to its end; rejects when it cannot be started. */
function runOne(ready: () => void): Promise<{ code: number | null; signal: string | null; servedMs: number }> {
  return new Promise((resolve, reject) => {
    const worker = cluster.fork()
    let readyAt: number | undefined
    worker.once('message', () => {
      readyAt = performance.now()
      ready()
    })
    worker.on('error', (error) => {
      // One that was started died while it was written to: its exit follows.
      if (worker.process.pid === undefined) reject(error)
    })
    worker.once('exit', (code, signal) => {
      // Killed while a connection was handed to it, it would count as connected, and keep the port open, for ever.
      worker.disconnect()
      resolve({ code, signal, servedMs: readyAt === undefined ? 0 : performance.now() - readyAt })
    })
  })
}
