import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { usageOf } from '../accounting.ts'
import { browserHeaders, type Cookie, logIn } from '../browser-session.ts'
import type { Machine } from '../machine.ts'
import { coatcheck, coatcheckInExpress } from '../peers/coatcheck.ts'
import { nginx } from '../peers/nginx.ts'
import type { PeerKind } from '../peers/peer.ts'
import { usualStack } from '../peers/usual-stack.ts'
import { ratioOfRounds, type Section, type Table, withRange } from '../report.ts'
import type { Settings } from '../settings.ts'
import { type Peer, startStage } from '../stage.ts'
import { inRounds, spreadOf } from '../statistics.ts'
import { makeSessions } from './many-sessions.ts'

/** What a peer holds in memory, without streams and while they are open and silent. */
interface Memory {
  kilobytesEach: number
  megabytesBefore: number
  megabytesWith: number
}

/** A kind of stream. */
export interface StreamKind {
  name: string
  note: string
  passedBy(peer: PeerKind): boolean
  /** Opens one and resolves, with what closes it, when the first words have come through. */
  open(peer: Peer, cookie: Cookie): Promise<() => void>
}

/** More at once would be refused for want of room in a queue, by some of the peers. */
const openedAtOnce = 50
/** For what was needed to open them to be given back. */
const settleMs = 500

export const eventStreams: StreamKind = {
  name: 'event streams',
  note: `Resident memory that each adds while it is open and silent, each of a session of its own, to a peer that was started for the round and has had ${openedAtOnce} of them opened and closed. Garbage counts: it is resident too, and heaps grow in steps. The upstream is Node.js here. Apache is left out, which takes a thread for each.`,
  passedBy: () => true,
  async open(peer, cookie) {
    const headers = { ...browserHeaders(peer, cookie), Accept: 'text/event-stream' }
    const sent = request({ host: '127.0.0.1', port: peer.place.port, path: '/api/events', headers, agent: false }).end()
    const [response] = await once(sent, 'response')
    if (response.statusCode !== 200) throw new Error(`${peer.kind.name}: ${response.statusCode} to an event stream`)
    await once(response, 'data')
    // Closing breaks it off, which is no news.
    response.on('error', () => undefined)
    return () => sent.destroy()
  },
}

export const webSockets: StreamKind = {
  name: 'WebSockets',
  note: 'The same. The usual stack passes none: its middleware does not run for handshakes. Apache is left out as above.',
  passedBy: (peer) => peer.passesWebSockets,
  async open(peer, cookie) {
    const headers = { ...browserHeaders(peer, cookie), Origin: peer.place.origin }
    const url = `ws://127.0.0.1:${peer.place.port}/api/socket`
    const socket = new WebSocket(url, { headers, perMessageDeflate: false })
    await once(socket, 'message')
    return () => socket.terminate()
  },
}

/** In rounds, each on a process just started: what has been closed would be there to be used again. */
export async function measureStreams(
  machine: Machine,
  stream: StreamKind,
  { streams: count, rounds }: Settings,
  say: (line: string) => void,
): Promise<Section> {
  const kinds = [nginx, coatcheck, coatcheckInExpress, usualStack].filter(stream.passedBy)
  const there = kinds.filter((kind) => kind.isThere(machine))
  const measured = await inRounds(there, rounds.others, async (kind) => {
    const memory = await measureOnce(machine, kind, stream, count)
    say(`${stream.name}: ${kind.name}: ${memory.kilobytesEach.toFixed(1)} KB each`)
    return memory
  })
  return {
    title: `${count.toLocaleString('en')} ${stream.name}`,
    note: `${stream.note} Rounds: ${rounds.others}.`,
    table: streamTable(measured),
  }
}

async function measureOnce(machine: Machine, kind: PeerKind, { open }: StreamKind, count: number): Promise<Memory> {
  await using stage = await startStage(machine, [kind], { ableUpstream: true })
  const [peer] = stage.peers
  if (peer === undefined) throw new TypeError(`${kind.name} is not there`)
  const cookies = await cookiesOf(peer, stage.redisUrl, count)
  const openSome = (some: readonly Cookie[]) => Promise.all(some.map((cookie) => open(peer, cookie)))
  // What is loaded, and what a heap grows by, with the first ones is no stream's.
  for (const close of await openSome(cookies.slice(0, openedAtOnce))) close()
  const before = await settled(peer)
  const opened: (() => void)[] = []
  for (let from = 0; from < count; from += openedAtOnce) {
    opened.push(...(await openSome(cookies.slice(from, from + openedAtOnce))))
  }
  const after = await settled(peer)
  for (const close of opened) close()
  return {
    kilobytesEach: (after - before) / count / 1024,
    megabytesBefore: before / 2 ** 20,
    megabytesWith: after / 2 ** 20,
  }
}

async function cookiesOf(peer: Peer, redisUrl: string, count: number): Promise<Cookie[]> {
  const cookie = await logIn(peer)
  const made = await makeSessions(peer, cookie, redisUrl, { sessions: count, weighed: count })
  return made?.cookies ?? Array.from({ length: count }, () => cookie)
}

async function settled(peer: Peer): Promise<number> {
  await pause(settleMs)
  return usageOf(peer.pid).residentBytes
}

function streamTable(measured: ReadonlyMap<PeerKind, readonly Memory[]>): Table {
  const values = (of: readonly Memory[], key: keyof Memory) => of.map((memory) => memory[key])
  const cell = (of: readonly Memory[], key: keyof Memory, digits: number) =>
    withRange(spreadOf(values(of, key)), digits)
  const floor = measured.get(nginx)
  return [
    ['peer', 'x nginx', 'KB each', 'MB before', 'MB with them'],
    ...[...measured].map(([{ name }, of]) => [
      name,
      ratioOfRounds(values(of, 'kilobytesEach'), floor && values(floor, 'kilobytesEach')),
      cell(of, 'kilobytesEach', 1),
      cell(of, 'megabytesBefore', 0),
      cell(of, 'megabytesWith', 0),
    ]),
  ]
}
