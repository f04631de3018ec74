import { usageOf } from '../accounting.ts'
import { browserHeaders, type Cookie } from '../browser-session.ts'
import { type Load, runLoad } from '../load.ts'
import type { Peer } from '../stage.ts'
import { inRounds } from '../statistics.ts'

/** A peer under a load that keeps it busy. */
export interface Throughput {
  peer: string
  /** One a round. */
  samples: readonly Sample[]
}

export interface Sample {
  /** CPU seconds of the peer's processes: per 10,000 requests, and per GB of answers. */
  cpuPer10k: number
  cpuPerGigabyte: number
  requestsPerSecond: number
  megabytesPerSecond: number
  p50Ms: number
  p99Ms: number
  residentMegabytes: number
}

export interface Subject {
  peer: Peer
  cookie: Cookie
  /** In place of `cookie`, one after the other. */
  cookies?: readonly string[]
}

export interface ThroughputCase {
  name: string
  path: string
  method: Load['method']
  bodyBytes: number
  connections: number
  rounds: number
  seconds: number
  warmUpSeconds: number
}

/** More failed requests than this are no noise. */
const failuresAllowed = 0.001

/** Measures peers in rounds, one after the other in each. @throws Error when one of them does not do its job */
export async function measureThroughput(
  measured: ThroughputCase,
  subjects: readonly Subject[],
  say: (line: string) => void,
): Promise<Throughput[]> {
  const { name, rounds, seconds, warmUpSeconds } = measured
  for (const subject of subjects) await measureOnce(measured, subject, warmUpSeconds)
  const samples = await inRounds(subjects, rounds, async (subject) => {
    const sample = await measureOnce(measured, subject, seconds)
    say(`${name}: ${subject.peer.kind.name}: ${sample.cpuPer10k.toFixed(3)} CPU s per 10,000`)
    return sample
  })
  return [...samples].map(([{ peer }, taken]) => ({ peer: peer.kind.name, samples: taken }))
}

async function measureOnce(measured: ThroughputCase, subject: Subject, seconds: number): Promise<Sample> {
  const { peer, cookie, cookies } = subject
  const { path, method, bodyBytes, connections } = measured
  const load: Load = {
    url: `http://127.0.0.1:${peer.place.port}${path}`,
    method,
    headers: browserHeaders(peer, cookie),
    bodyBytes,
    connections,
    seconds,
    ...(cookies === undefined ? {} : { cookies }),
  }
  const before = usageOf(peer.pid)
  const report = await runLoad(load, peer.place.machine.wrk)
  const after = usageOf(peer.pid)
  const { requests, bytes, failures } = report
  if (requests === 0 || failures > requests * failuresAllowed) {
    throw new Error(`${peer.kind.name}: ${failures} failures beside ${requests} answers to ${method} ${path}`)
  }
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds
  return {
    cpuPer10k: (cpuSeconds / requests) * 10_000,
    cpuPerGigabyte: cpuSeconds / (bytes / 1e9),
    requestsPerSecond: requests / report.seconds,
    megabytesPerSecond: bytes / 1e6 / report.seconds,
    p50Ms: report.p50Ms,
    p99Ms: report.p99Ms,
    residentMegabytes: after.residentBytes / 2 ** 20,
  }
}
