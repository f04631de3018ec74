import { setTimeout as pause } from 'node:timers/promises'
import { browserHeaders } from '../browser-session.ts'
import { runLoad } from '../load.ts'
import { coatcheckWorkers } from '../peers/coatcheck.ts'
import { ratio, type Section, withRange } from '../report.ts'
import { connections } from '../settings.ts'
import { measureThroughput, type Subject, type ThroughputCase } from './throughput.ts'

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
  const { requests, failed, replacedMs } = await crash(several)
  say(`a worker killed: ${failed} of ${requests} requests failed, replaced after ${replacedMs.toFixed(0)} ms`)
  return [
    {
      title: 'Two workers',
      note: 'All on one core: what sharing a port takes, not what two cores give.',
      table: [
        ['peer', 'CPU, x one process', 'CPU s per 10,000', 'requests/s', 'memory MB'],
        ...rows.map((row) => [
          row.peer,
          ratio(row.cpuPer10k.median, single?.cpuPer10k.median),
          withRange(row.cpuPer10k, 3),
          withRange(row.requestsPerSecond, 0),
          withRange(row.residentMegabytes, 0),
        ]),
      ],
    },
    {
      title: 'One of two workers is killed',
      note: `SIGKILL under the load above: what fails is what was under way on that worker's connections, which break off.`,
      table: [
        ['requests', 'failed', 'connections', 'ms until another listens in its place'],
        [requests.toLocaleString('en'), String(failed), String(connections), replacedMs.toFixed(0)],
      ],
    },
  ]
}

async function crash({ peer, cookie }: Subject) {
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
  const [victim] = before
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
