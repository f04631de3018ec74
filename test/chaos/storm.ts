import { setTimeout as pause } from 'node:timers/promises'
import { now } from './clock.ts'
import type { Fault } from './history.ts'
import type { FaultKind, PlannedFault } from './schedule.ts'
import type { Stage } from './stage.ts'
import type { Outage } from './token-gate.ts'

/** Carries a schedule out. Resolves when the last fault is over and every node runs again. */
export async function carryOut(schedule: readonly PlannedFault[], stage: Stage): Promise<void> {
  const began = now()
  const struck = new Set<number>()
  const underWay: Promise<void>[] = []
  for (const fault of schedule) {
    await pause(Math.max(began + fault.at - now(), 0))
    underWay.push(strike(fault, stage, struck))
  }
  await Promise.all(underWay)
}

async function strike({ kind, node, ms }: PlannedFault, stage: Stage, struck: Set<number>): Promise<void> {
  if (kind === 'swallow' || kind === 'spoil') {
    stage.gate.spoilNext(kind === 'swallow' ? 'swallowed' : 'spoiled')
    return
  }
  if (!kind.endsWith('-asker')) return await unlessStruck(kind, node, ms, stage, struck)
  const { promise, resolve } = Promise.withResolvers<void>()
  stage.gate.onRotation(
    (asker) => void unlessStruck(askerKinds[kind] ?? kind, asker, ms, stage, struck).finally(resolve),
  )
  // Where nobody asks any more there is nobody to strike.
  await Promise.race([promise, pause(5_000)])
}

const askerKinds: { [kind in FaultKind]?: FaultKind } = {
  'kill-asker': 'kill',
  'stop-asker': 'stop-long',
  'redis-hold-asker': 'redis-hold',
}

/** A node that is down, or not what it was, is left alone: what happened to it could not be told afterwards. */
async function unlessStruck(kind: FaultKind, node: number | null, ms: number, stage: Stage, struck: Set<number>) {
  if (node !== null && struck.has(node)) return
  const fault: Fault = { kind, node, began: now(), ended: null }
  stage.history.faults.push(fault)
  if (node !== null) struck.add(node)
  try {
    await carry(kind, node, ms, stage)
  } finally {
    fault.ended = now()
    if (node !== null) struck.delete(node)
  }
}

async function carry(kind: FaultKind, index: number | null, ms: number, stage: Stage): Promise<void> {
  if (index === null) {
    if (kind === 'freeze') {
      await stage.redis.pause()
      await pause(ms)
      return await stage.redis.resume()
    }
    const end = stage.gate.begin(kind as Outage) // the kinds that strike all and are not Redis's
    await pause(ms)
    return end()
  }
  const node = stage.nodes[index]
  if (node === undefined) throw new RangeError(`there is no node ${index}`)
  if (kind === 'kill' || kind === 'term') {
    await node[kind]()
    await pause(ms)
    return await node.start()
  }
  if (kind === 'stop-short' || kind === 'stop-long') {
    node.signal('SIGSTOP')
    await pause(ms)
    return node.signal('SIGCONT')
  }
  const relay = (kind.startsWith('redis') ? stage.toRedis : stage.toProvider)[index]
  if (kind.endsWith('cut')) relay?.cut()
  else relay?.hold()
  await pause(ms)
  relay?.release()
}
