import cluster from 'node:cluster'
import { isWorker, runWorkers, tellReady } from '../../src/workers.ts'

/**
 * One worker, and those that take its place, each of which crashes so many milliseconds after it has begun to serve, or
 * before it has (-1); the last one stays. Every crash is a line: when it was, and the pause after it.
 */
const [restartMs = 0, ...livesMs] = process.argv.slice(2).map(Number)
if (isWorker) {
  const lifeMs = livesMs[(cluster.worker?.id ?? 0) - 1]
  if (lifeMs === -1) process.exit(7)
  tellReady()
  if (lifeMs === undefined) process.stdout.write('stays\n')
  else setTimeout(() => process.exit(7), lifeMs)
} else {
  process.exitCode = await runWorkers(1, restartMs, ({ pauseMs }) => {
    process.stdout.write(`${performance.now()} ${pauseMs}\n`)
  })
}
