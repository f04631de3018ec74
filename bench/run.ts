import { logIn } from './browser-session.ts'
import { measureCrossings } from './cases/crossings.ts'
import { measureEndings } from './cases/endings.ts'
import { makeSessions, sessionSection } from './cases/many-sessions.ts'
import { measureStorms } from './cases/storm.ts'
import { eventStreams, measureStreams, webSockets } from './cases/streams.ts'
import { measureThroughput, type Subject, type ThroughputCase } from './cases/throughput.ts'
import { downloadTable, requestTable } from './cases/throughput-tables.ts'
import { measureWorkers } from './cases/workers.ts'
import type { Machine } from './machine.ts'
import { apache } from './peers/apache.ts'
import { coatcheck, coatcheckInExpress, coatcheckWorkers } from './peers/coatcheck.ts'
import { nginx } from './peers/nginx.ts'
import { usualStack } from './peers/usual-stack.ts'
import type { Section } from './report.ts'
import { connections, downloadConnections, type Settings, shortLifeSeconds } from './settings.ts'
import { type Stage, startStage } from './stage.ts'

type Say = (line: string) => void

/** Measures every case, in the order in which the page has them. @param say is told how far it is */
export async function measureAll(machine: Machine, settings: Settings, say: Say): Promise<Section[]> {
  return [
    ...(await underLoad(machine, settings, say)),
    ...(await withStreams(machine, settings, say)),
    ...(await withWorkers(machine, settings, say)),
    ...(await acrossExpiry(machine, settings, say)),
    await endingSessions(machine, settings, say),
  ]
}

async function underLoad(machine: Machine, settings: Settings, say: Say): Promise<Section[]> {
  const { rounds } = settings
  await using stage = await startStage(machine, [nginx, coatcheck, coatcheckInExpress, usualStack, apache])
  const subjects = await subjectsOf(stage)
  const measure = (varied: Partial<ThroughputCase> & Pick<ThroughputCase, 'name' | 'rounds'>, of = subjects) =>
    measureThroughput({ ...smallGet(settings), ...varied }, of, say)
  const small = await measure({ name: 'small GET', rounds: rounds.small })
  const post = await measure({ name: '64 KB POST', rounds: rounds.others, method: 'POST', bodyBytes: 65_536 })
  const large = { path: '/api/large', connections: downloadConnections }
  const download = await measure({ name: '10 MB download', rounds: rounds.others, ...large })

  const { made, weighed } = await makeMany(stage, subjects, settings, say)
  const withoutSessions = subjects.filter(({ cookie }) => cookie === null)
  const cold = await measure({ name: 'sessions cold', rounds: rounds.others }, [...withoutSessions, ...made])
  const taken = `${settings.sessions.toLocaleString('en')} sessions take turns. coatcheck as Express middleware is left out, whose sessions are the same, and mod_auth_openidc, whose sessions only logins make.`
  return [
    { title: 'Small GET', table: requestTable(small) },
    { title: '64 KB POST', table: requestTable(post) },
    { title: '10 MB download', table: downloadTable(download) },
    { title: 'Sessions cold: each request is another session’s', note: taken, table: requestTable(cold) },
    sessionSection(weighed, settings.weighed),
  ]
}

async function withStreams(machine: Machine, settings: Settings, say: Say): Promise<Section[]> {
  return [
    await measureStreams(machine, eventStreams, settings, say),
    await measureStreams(machine, webSockets, settings, say),
  ]
}

async function withWorkers(machine: Machine, settings: Settings, say: Say): Promise<Section[]> {
  await using stage = await startStage(machine, [coatcheck, coatcheckWorkers])
  // Each worker has to warm up, with its part of the load.
  const warmUpSeconds = 2 * settings.warmUpSeconds
  const measured = { ...smallGet(settings), name: 'workers', rounds: settings.rounds.others, warmUpSeconds }
  return await measureWorkers(measured, await subjectsOf(stage), say)
}

async function acrossExpiry(machine: Machine, settings: Settings, say: Say): Promise<Section[]> {
  const shortLived = { accessTokenSeconds: shortLifeSeconds, ableUpstream: true }
  await using stage = await startStage(machine, [coatcheck, usualStack, apache], shortLived)
  return [await measureStorms(stage, settings, say), await measureCrossings(stage, settings, say)]
}

async function endingSessions(machine: Machine, { others }: Settings, say: Say): Promise<Section> {
  await using stage = await startStage(machine, [])
  return await measureEndings(stage, others, say)
}

function smallGet({ seconds, warmUpSeconds }: Settings): Omit<ThroughputCase, 'name' | 'rounds'> {
  return { method: 'GET', path: '/api/small', bodyBytes: 0, connections, seconds, warmUpSeconds }
}

async function subjectsOf(stage: Stage): Promise<Subject[]> {
  const subjects: Subject[] = []
  for (const peer of stage.peers) subjects.push({ peer, cookie: await logIn(peer) })
  return subjects
}

/** Many sessions of one peer of each kind that has its own sort of them. */
async function makeMany(stage: Stage, subjects: readonly Subject[], settings: Settings, say: Say) {
  const made: Subject[] = []
  const weighed: { peer: string; bytesEach: number }[] = []
  for (const { peer, cookie } of subjects) {
    if (peer.kind === coatcheckInExpress) continue
    const many = await makeSessions(peer, cookie, stage.redisUrl, settings)
    if (many === null) continue
    const { cookies, bytesEach } = many
    say(`sessions: ${cookies.length} of ${peer.kind.name}, ${bytesEach.toFixed(0)} bytes each`)
    made.push({ peer, cookie, cookies })
    weighed.push({ peer: peer.kind.name, bytesEach })
  }
  return { made, weighed }
}
