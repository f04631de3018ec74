import { logIn } from './browser-session.ts'
import { type Expiry, measureExpiry } from './cases/expiry.ts'
import { makeCoatcheckSessions, makeUsualSessions } from './cases/many-sessions.ts'
import { measureThroughput, type Subject, type ThroughputCase } from './cases/throughput.ts'
import type { Machine } from './machine.ts'
import { apache } from './peers/apache.ts'
import { coatcheck, coatcheckInExpress } from './peers/coatcheck.ts'
import { nginx } from './peers/nginx.ts'
import { usualStack } from './peers/usual-stack.ts'
import type { Results, Yardsticks } from './report.ts'
import { connections, downloadConnections, type Settings, shortLifeSeconds } from './settings.ts'
import { type Stage, startStage } from './stage.ts'

export const yardsticks: Yardsticks = { floor: nginx.name, usual: usualStack.name }

/** Seconds; longer than any run. */
const neverExpires = 3_600

/** Measures every case. @param say is told how far it is */
export async function measureAll(machine: Machine, settings: Settings, say: (line: string) => void): Promise<Results> {
  const underLoad = await measureUnderLoad(machine, settings, say)
  await using stage = await startStage(machine, [coatcheck, usualStack], shortLifeSeconds)
  const expiry: Expiry[] = []
  for (const peer of stage.peers) expiry.push(await measureExpiry(stage, peer, settings, say))
  return { ...underLoad, expiry }
}

async function measureUnderLoad(machine: Machine, settings: Settings, say: (line: string) => void) {
  const { rounds, seconds, warmUpSeconds } = settings
  await using stage = await startStage(
    machine,
    [nginx, coatcheck, coatcheckInExpress, usualStack, apache],
    neverExpires,
  )
  const subjects: Subject[] = []
  for (const peer of stage.peers) subjects.push({ peer, cookie: await logIn(peer) })

  const get = { method: 'GET', path: '/api/small', bodyBytes: 0, connections, seconds, warmUpSeconds } as const
  const measure = (varied: Partial<ThroughputCase> & Pick<ThroughputCase, 'name' | 'rounds'>, of = subjects) =>
    measureThroughput({ ...get, ...varied }, of, say)
  const small = await measure({ name: 'small GET', rounds: rounds.small })
  const post = await measure({ name: '64 KB POST', rounds: rounds.post, method: 'POST', bodyBytes: 65_536 })
  const large = { path: '/api/large', connections: downloadConnections }
  const download = await measure({ name: '10 MB download', rounds: rounds.download, ...large })
  const { made, sessions } = await makeMany(stage, subjects, settings.sessions, say)
  const withoutSessions = subjects.filter(({ cookie }) => cookie === null)
  const cold = await measure({ name: 'sessions cold', rounds: rounds.cold }, [...withoutSessions, ...made])
  return { small, post, download, cold, sessions }
}

const makers = new Map([
  [coatcheck, makeCoatcheckSessions],
  [usualStack, makeUsualSessions],
])

async function makeMany(stage: Stage, subjects: readonly Subject[], count: number, say: (line: string) => void) {
  const made: Subject[] = []
  const sessions: { peer: string; count: number; bytesEach: number }[] = []
  for (const { peer, cookie } of subjects) {
    const make = makers.get(peer.kind)
    if (make === undefined || cookie === null) continue
    say(`sessions: making ${count} of ${peer.kind.name}`)
    const { cookies, bytesEach } = await make(peer, cookie, stage.redisUrl, count)
    made.push({ peer, cookie, cookies })
    sessions.push({ peer: peer.kind.name, count, bytesEach })
  }
  return { made, sessions }
}
