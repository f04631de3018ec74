import { spawn } from 'node:child_process'
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { isWorker, runWorkers, tellReady } from '../../src/workers.ts'

/** What becomes of a worker that has been started. */
const fates: Readonly<Record<string, () => void>> = {
  unready() {
    process.exit(7)
  },
  /** The parent waits for the end of it before it reads what it asked for. */
  asking() {
    tellReady()
    createServer().listen(0)
    process.kill(process.pid, 'SIGKILL')
  },
  stubborn() {
    process.once('SIGTERM', () => process.exit(7))
    serve()
  },
  /** It finishes what it is at when the parent, told to stop by SIGINT, says so. */
  lingering() {
    process.once('SIGTERM', () => process.stdout.write('lingers\n'))
    process.once('message', () => process.stdout.write('finished\n', () => process.exit(0)))
    serve()
  },
  /**
   * It connects to itself by way of the parent, and dies before it has said that it got the connection. A child of it
   * holds its channel until the parent has seen its end, and lets go of its standard input.
   */
  handed() {
    spawn('cat', { stdio: ['inherit', 'ignore', 'ignore', 3] })
    process.prependListener('internalMessage', ({ cmd }: { cmd?: string }) => {
      if (cmd === 'NODE_HANDLE') process.kill(process.pid, 'SIGKILL')
    })
    const server = createServer().listen(0, '127.0.0.1', () => {
      tellReady()
      connect((server.address() as AddressInfo).port, '127.0.0.1') // of a server on TCP
    })
  },
}

/** Where a worker cannot be started: one of them is refused in an event, the other right away. */
const impossibleFolders: Readonly<Record<string, string>> = {
  unborn: '/no-such-folder',
  'unborn-at-once': import.meta.filename,
}

/**
 * So many workers, and those that take their places, each of which meets one of the fates above, or crashes so many
 * milliseconds after it has begun to serve; the last one stays. Every crash is a line: when it was, the pause after it, and
 * how it came.
 */
const [count, restartMs, ...met] = process.argv.slice(2)
if (isWorker) {
  const fate = met[(cluster.worker?.id ?? 0) - 1]
  if (fate === undefined) {
    tellReady()
    process.stdout.write('stays\n')
  } else if (fate in fates) {
    fates[fate]?.()
  } else {
    tellReady()
    setTimeout(() => process.exit(7), Number(fate))
  }
} else {
  process.exitCode = await runFated()
}

function serve(): void {
  tellReady()
  process.stdout.write('serves\n')
}

function runFated(): Promise<number> {
  let started = 0
  const prepareNext = () => {
    const fate = met[started++] ?? ''
    const cwd = impossibleFolders[fate] ?? process.cwd()
    cluster.setupPrimary({ cwd, stdio: ['pipe', 'inherit', 'inherit', 'ipc'] })
  }
  cluster.on('message', ({ id, process: { pid } }) => {
    while (met[id - 1] === 'asking' && !isDead(pid));
  })
  prepareNext()
  const exitCode = runWorkers(Number(count), Number(restartMs), ({ code, signal, error, pauseMs }) => {
    const how = code ?? signal ?? (error as NodeJS.ErrnoException).code // an error of the system, without the others
    process.stdout.write(`${performance.now()} ${pauseMs} ${how}\n`)
    prepareNext()
  })
  process.once('SIGINT', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.send('finish')
  })
  return exitCode
}

/** Dead, all its threads with it, and its files closed, though its parent has not taken note (proc_pid_status(5)). */
function isDead(pid: number | undefined): boolean {
  return /^State:\tZ.*^Threads:\t1$/ms.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}
