import { setInterval as every, setTimeout as pause } from 'node:timers/promises'
import { createRandom } from '../support/random.ts'
import { check, type Finding } from './check.ts'
import { now } from './clock.ts'
import type { History } from './history.ts'
import { progressLine } from './progress.ts'
import { createSchedule, type FaultKind } from './schedule.ts'
import { accessTokenSeconds, type Stage, startStage } from './stage.ts'
import { carryOut } from './storm.ts'
import { createUser, type User } from './user.ts'

export interface ChaosOptions {
  seed: number
  stormMs: number
  /** @default 50 */
  users?: number
  /** @default 3 */
  nodes?: number
  /** The program that the nodes run. @default `coatcheck serve` */
  program?: readonly string[]
  /** @default all */
  kinds?: readonly FaultKind[]
  everyMs?: number
  lastsMs?: readonly [number, number]
  /** @default a provider without leeway */
  leewayMs?: number
}

export interface ChaosRun {
  history: History
  finding: Finding
}

const progressEveryMs = 3_000
const loginsAtOnce = 6

/** Starts everything, lets users work through a storm, waits until all is well again, and judges what was seen. */
export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosRun> {
  const { seed, users: many = 50, nodes = 3 } = options
  const schedule = createSchedule({ ...options, nodes })
  await using stage = await startStage({ ...options, nodes, users: many, random: createRandom(seed + 1) })
  const { history } = stage
  const stop = new AbortController()
  const watching = [watchStalls(history, stop.signal), watchNodes(stage, say, stop.signal)]

  const users = Array.from({ length: many }, (_, index) =>
    createUser(`user-${index}`, stage, createRandom(seed * 1000 + index)),
  )
  await logAllIn(users)
  say(`${seconds(now())} s: ${history.logins.length} users work on ${nodes} nodes; the storm of seed ${seed} begins`)
  const calm = new AbortController()
  const lives = users.map((user) => user.live(calm.signal))
  await Promise.race([carryOut(schedule, stage), Promise.all(lives)])
  calm.abort()
  await Promise.all(lives)

  say(`${seconds(now())} s: the storm is over`)
  await Promise.all(users.map((user) => user.settle()))
  await pause(accessTokenSeconds * 1000 + 300)
  await Promise.all(users.map((user) => user.lastCall()))
  await pause(500)
  stop.abort()
  await Promise.all(watching)
  return { history, finding: check(history) }
}

async function logAllIn(users: readonly User[]): Promise<void> {
  const waiting = [...users]
  const next = async (): Promise<void> => {
    for (let user = waiting.pop(); user !== undefined; user = waiting.pop()) await user.logIn()
  }
  await Promise.all(Array.from({ length: loginsAtOnce }, next))
}

/** All traffic passes through this process, so that its own stalls are everybody's. */
async function watchStalls(history: History, signal: AbortSignal): Promise<void> {
  let last = now()
  for await (const _ of ticks(20, signal)) {
    const at = now()
    if (at - last > 120) history.faults.push({ kind: 'stalled', node: null, began: last, ended: at })
    last = at
  }
}

async function watchNodes({ nodes, history }: Stage, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  let said = now()
  for await (const _ of ticks(500, signal)) {
    for (const node of nodes) node.collect()
    if (now() - said < progressEveryMs) continue
    said = now()
    say(progressLine(history, said))
  }
  for (const node of nodes) node.collect()
}

async function* ticks(ms: number, signal: AbortSignal): AsyncGenerator<void> {
  try {
    yield* every(ms, undefined, { signal })
  } catch {
    // Told to stop.
  }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(0)
}
