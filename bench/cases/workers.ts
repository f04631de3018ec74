import { setTimeout as pause } from 'node:timers/promises'
import { browserHeaders } from '../browser-session.ts'
import { runLoad } from '../load.ts'
import { coatcheckWorkers } from '../peers/coatcheck.ts'
import { ratioOfRounds, type Section, withRange } from '../report.ts'
import { connections } from '../settings.ts'
import { inRounds, spreadOf } from '../statistics.ts'
import { measureThroughput, type Subject, type ThroughputCase } from './throughput.ts'
import { cell, valuesOf } from './throughput-tables.ts'

const crashLoadSeconds = 5
/** Into the load; later than a worker takes to be one that has got off the ground. */
const crashAfterMs = 1_500
const longestWaitMs = 15_000

/** What several workers take more than one, on one core all of them; and what is lost when one of them is killed. */
export async function measureWorkers(
  measured: ThroughputCase,
  subjects: readonly Subject[],
  say: (line: string) => void,
): Promise<Section[]> {
  const rows = await measureThroughput(measured, subjects, say)
  const single = rows.find(({ peer }) => peer !== coatcheckWorkers.name)
  const several = subjects.find(({ peer }) => peer.kind === coatcheckWorkers)
  if (several === undefined) throw new TypeError('nobody has workers')
  const crashes = [...(await inRounds([several], measured.rounds, crash)).values()].flat()
  const ofCrashes = (key: keyof Crash) => withRange(spreadOf(crashes.map((one) => one[key])), 0)
  say(`a worker killed: replaced after ${ofCrashes('replacedMs')} ms`)
  return [
    {
      title: 'Two workers',
      note: `coatcheck beside itself, all on one core: what sharing a port takes, not what two cores give. Rounds: ${measured.rounds}.`,
      table: [
        ['peer', 'CPU, x one process', 'CPU s per 10,000', 'requests/s', 'memory MB'],
        ...rows.map((row) => [
          row.peer,
          ratioOfRounds(valuesOf(row, 'cpuPer10k'), single && valuesOf(single, 'cpuPer10k')),
          cell(row, 'cpuPer10k', 3),
          cell(row, 'requestsPerSecond', 0),
          cell(row, 'residentMegabytes', 0),
        ]),
      ],
    },
    {
      title: 'One of two workers is killed',
      note: `SIGKILL under the load above: what fails is what was under way on that worker's connections, which break off. Rounds: ${measured.rounds}; each takes the older of the two.`,
      table: [
        ['requests', 'failed', 'connections', 'ms until another listens in its place'],
        [ofCrashes('requests'), ofCrashes('failed'), String(connections), ofCrashes('replacedMs')],
      ],
    },
  ]
}

/** What the end of a worker took with it. */
interface Crash {
  requests: number
  failed: number
  replacedMs: number
}

async function crash({ peer, cookie }: Subject): Promise<Crash> {
  const load = runLoad(
    {
      url: `http://127.0.0.1:${peer.place.port}/api/small`,
      method: 'GET',
      headers: browserHeaders(peer, cookie),
      bodyBytes: 0,
      connections,
      seconds: crashLoadSeconds,
    },
    peer.place.machine.wrk,
  )
  await pause(crashAfterMs)
  const before = listening(peer.output())
  // The older of the two: one that crashes soon after it was started is replaced after a pause.
  const victim = before.at(-2)
  if (victim === undefined) throw new Error(`${peer.kind.name}: no worker said that it listens`)
  const killedAt = performance.now()
  process.kill(victim, 'SIGKILL')
  while (listening(peer.output()).every((pid) => before.includes(pid))) {
    if (performance.now() - killedAt > longestWaitMs) throw new Error(`${peer.kind.name}: the worker was not replaced`)
    await pause(5)
  }
  const replacedMs = performance.now() - killedAt
  const { requests, failures } = await load
  return { requests, failed: failures, replacedMs }
}

/** Process ids of the workers that have said so, in the order in which they did. */
export function listening(output: string): number[] {
  return [...output.matchAll(/"pid":(\d+),"msg":"listening"/g)].map((match) => Number(match[1]))
}
