import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A program of ours that cannot outlive us: it is killed when this process ends, however this process ends. */
interface ChildProcess extends AsyncDisposable {
  /** What it wrote so far, for the message of a failed start. */
  output(): string
  /** Settles with the exit code when the program has ended. */
  ended: Promise<number>
  signal(name: NodeJS.Signals): void
  /** Ends it with SIGKILL and waits until it is gone. */
  kill(): Promise<void>
}

interface ChildProcessOptions {
  cwd?: string
  /** The whole environment of the program, but for where Node keeps what it has compiled. @default ours */
  env?: NodeJS.ProcessEnv
  /** A command, its words separated by spaces, that must also run if we die: the client of a container is not the container. */
  beforeKill?: string
}

/**
 * Runs `"$@"`, which says its process id before anything else, and kills it once descriptor 3 is at its end. `read` is
 * built in: the watcher has no child of its own, and is gone before the process id could belong to somebody else.
 */
const keeper = `exec 3<&0 </dev/null
/bin/sh -c 'echo $$; exec "$@"' sh "$@" 3<&- & program=$!
{ read -r line <&3; $BEFORE_KILL; kill -9 $program; } >/dev/null 2>&1 & watcher=$!
wait $program; code=$?
kill $watcher 2>/dev/null
exit $code`

/**
 * Starts a program under a shell that waits for the end of a pipe of ours. The pipe closes when we exit, crash or are
 * killed with SIGKILL, and then the shell kills the program, even a stopped one. A session of its own keeps Ctrl-C in
 * the terminal from reaching the program before we have closed in order.
 */
export async function startChild(
  command: string,
  args: readonly string[],
  options: ChildProcessOptions = {},
): Promise<ChildProcess> {
  const { NODE_COMPILE_CACHE } = process.env
  const shell = spawn('/bin/sh', ['-c', keeper, 'sh', command, ...args], {
    cwd: options.cwd,
    env: { NODE_COMPILE_CACHE, ...(options.env ?? process.env), BEFORE_KILL: options.beforeKill ?? ':' },
    detached: true,
  })
  const ended = once(shell, 'exit').then(([code]) => Number(code))
  const written: string[] = []
  const started = Promise.withResolvers<number>()
  createInterface({ input: shell.stdout }).on('line', (line) => {
    // The first line is the process id; to resolve once more does nothing.
    started.resolve(Number(line))
    written.push(line)
  })
  createInterface({ input: shell.stderr }).on('line', (line) => written.push(line))
  const programId = await started.promise

  const signal = (name: NodeJS.Signals): void => {
    if (shell.exitCode === null && shell.signalCode === null) process.kill(programId, name)
  }
  const kill = async (): Promise<void> => {
    signal('SIGKILL')
    await ended
  }
  return { output: () => written.slice(1).join('\n'), ended, signal, kill, [Symbol.asyncDispose]: kill }
}
