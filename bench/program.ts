import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** A program of the run, on one core. It cannot outlive us. */
export interface Program extends AsyncDisposable {
  pid: number
  /** The last of what it wrote. */
  output(): string
  /** SIGTERM, and SIGKILL where that is not enough. */
  stop(): Promise<void>
}

export interface ProgramOptions {
  core: number
  /** The whole environment. @default ours */
  env?: NodeJS.ProcessEnv
  /** Where it will listen, on 127.0.0.1. */
  port: number
}

const startMs = 15_000
const stopMs = 5_000

/**
 * Starts a program and resolves when it listens.
 * @throws Error with what it wrote, when it ends or does not listen in time
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<Program> {
  const { core, env = process.env, port } = options
  // setpriv and taskset replace themselves by the program, whose process id is therefore the one we know.
  const before = ['--pdeathsig', 'KILL', 'taskset', '-c', String(core), command]
  const child = spawn('setpriv', [...before, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), stopMs)
    await exited
    clearTimeout(late)
  }
  const limit = performance.now() + startMs
  while (!(await listens(port))) {
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || performance.now() > limit) {
      await stop()
      throw new Error(`${command} ${ended ? 'ended' : 'does not listen'}:\n${output}`)
    }
    await pause(50)
  }
  if (child.pid === undefined) throw new Error(`${command} has no process id`)
  return { pid: child.pid, output: () => output, stop, [Symbol.asyncDispose]: stop }
}

function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => {
    socket.destroy()
    resolve(true)
  })
  socket.once('error', () => resolve(false))
  return promise
}
