import cluster from 'node:cluster'

/** Whether this process is one of several that share the port. */
export const isWorker = cluster.isWorker

/** Tells who started this process that it serves. */
export function tellReady(): void {
  cluster.worker?.send('ready')
}

/**
 * Runs so many processes of this program, which share its ports, and puts another in the place of one that crashes. A
 * signal to stop is handed to all; resolves with the exit code when the last has ended.
 */
export async function runWorkers(
  count: number,
  crashed: (code: number | null, signal: string | null) => void,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  let stopping = false
  let exitCode = 0

  function start() {
    const worker = cluster.fork()
    let isReady = false
    worker.once('message', () => {
      isReady = true
    })
    worker.once('exit', (code, signal) => {
      if (!stopping) {
        crashed(code, signal)
        // One that never got off the ground: another would fare no better, when a port is in use, say.
        if (isReady) start()
        else stop(1)
      }
      if (stopping && Object.keys(cluster.workers ?? {}).length === 0) resolve(exitCode)
    })
  }

  function stop(code: number) {
    stopping = true
    exitCode = code
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
  }

  for (let i = 0; i < count; i++) start()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(0))
  return promise
}
