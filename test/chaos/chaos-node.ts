import { setTimeout as pause } from 'node:timers/promises'
import { startChild } from '../support/child-process.ts'
import { fromWallTime, now } from './clock.ts'
import type { History } from './history.ts'

/** One BFF as a process of its own, which may be killed, stopped and started again on the same port. */
export interface ChaosNode extends AsyncDisposable {
  index: number
  /** `http://localhost:<port>` */
  origin: string
  port: number
  /** Whether a load balancer would send it requests: it neither knows of a stop, nor sends to a node that was told to end. */
  readonly isUp: boolean
  /** Resolves when it listens and has found its provider. */
  start(): Promise<void>
  kill(): Promise<void>
  /** SIGTERM; resolves when it has ended. */
  term(): Promise<void>
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** Moves what it has said since the last time into the history. */
  collect(): void
}

export interface ChaosNodeOptions {
  index: number
  port: number
  /** Arguments of Node. */
  program: readonly string[]
  env: NodeJS.ProcessEnv
  history: History
  /** Lets the start of one node wait for that of another. */
  inTurn: (start: () => Promise<void>) => Promise<void>
}

const startDeadlineMs = 20_000

export function createChaosNode(options: ChaosNodeOptions): ChaosNode {
  const { index, port, program, env, history } = options
  const origin = `http://localhost:${port}`
  let child: Awaited<ReturnType<typeof startChild>> | undefined
  let isUp = false
  let expectedToEnd = true
  let collected = 0

  function collect(): void {
    const lines = child?.output().split('\n') ?? []
    for (const line of lines.slice(collected)) noteLine(history, index, line)
    collected = lines.length
  }

  async function ended(): Promise<void> {
    await child?.ended
    await pause(30) // what it said last is still on its way
    collect()
    child = undefined
  }

  async function untilReady(): Promise<void> {
    const limit = now() + startDeadlineMs
    for (;;) {
      const output = child?.output() ?? ''
      if (output.includes('"msg":"listening"') && output.includes('"msg":"discovered"')) return
      // Nobody else asks a node that is not up, and it does not ask again by itself.
      if (output.includes('"msg":"discovery_failed"')) await askForLogin(origin)
      if (now() > limit) throw new Error(`node ${index} did not start:\n${output.slice(-2000)}`)
      await pause(10)
    }
  }

  return {
    index,
    origin,
    port,
    get isUp() {
      return isUp
    },
    start: () =>
      options.inTurn(async () => {
        collected = 0
        expectedToEnd = false
        child = await startChild(process.execPath, program, { env })
        void child.ended.then((code) => {
          isUp = false
          if (!expectedToEnd)
            history.said.push({ ...nothingSaid, at: now(), node: index, event: `exited with ${code}` })
        })
        await untilReady()
        isUp = true
      }),
    async kill() {
      isUp = false
      expectedToEnd = true
      child?.signal('SIGKILL')
      await ended()
    },
    async term() {
      isUp = false
      expectedToEnd = true
      child?.signal('SIGTERM')
      await ended()
    },
    signal: (name) => child?.signal(name),
    collect,
    async [Symbol.asyncDispose]() {
      expectedToEnd = true
      await child?.kill()
    },
  }
}

const nothingSaid = { ref: null, outcome: null, version: null, presentation: null, askedMs: null, reason: null }

function noteLine(history: History, node: number, line: string): void {
  // The last is what the shell says about a program that we have killed.
  if (line === '' || line === 'Killed') return
  const fields = parse(line)
  if (fields === undefined) {
    history.said.push({ ...nothingSaid, at: now(), node, event: `wrote: ${line.slice(0, 200)}` })
    return
  }
  const at = fromWallTime(String(fields['time']))
  const event = String(fields['msg'])
  if (event === 'stalled') history.faults.push({ kind: 'stalled', node, began: at - Number(fields['ms']), ended: at })
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : null)
  const number = (name: string) => (typeof fields[name] === 'number' ? fields[name] : null)
  history.said.push({
    at,
    node,
    event,
    ref: text('ref'),
    outcome: text('outcome'),
    version: number('version'),
    presentation: number('presentation'),
    askedMs: number('askedMs'),
    reason: text('reason'),
  })
}

/** Lets a node look for its provider, if it has not found it. */
async function askForLogin(origin: string): Promise<void> {
  const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  await fetch(`${origin}/bff/login`, { headers, redirect: 'manual', signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.body?.cancel(),
    () => undefined,
  )
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
