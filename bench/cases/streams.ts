import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { usageOf } from '../accounting.ts'
import { browserHeaders, type Cookie, logIn } from '../browser-session.ts'
import { nginx } from '../peers/nginx.ts'
import type { PeerKind } from '../peers/peer.ts'
import { ratio, type Section, type Table } from '../report.ts'
import type { Peer, Stage } from '../stage.ts'
import { makeSessions } from './many-sessions.ts'

/** What a peer holds in memory for streams that are open and silent. */
interface OpenStreams {
  peer: string
  beforeBytes: number
  withBytes: number
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
  note: 'Resident memory that each adds to a peer just started while it is open and silent, each of a session of its own. Garbage counts: it is resident too. Apache is left out, which takes a thread for each.',
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
  note: 'The same. The usual stack passes none: its middleware does not run for handshakes.',
  passedBy: (peer) => peer.passesWebSockets,
  async open(peer, cookie) {
    const headers = { ...browserHeaders(peer, cookie), Origin: peer.place.origin }
    const url = `ws://127.0.0.1:${peer.place.port}/api/socket`
    const socket = new WebSocket(url, { headers, perMessageDeflate: false })
    await once(socket, 'message')
    return () => socket.terminate()
  },
}

/** @param stage one with streams, just started: what has been closed would be there to be used again */
export async function measureStreams(
  stage: Stage,
  { name, note, open }: StreamKind,
  count: number,
  say: (line: string) => void,
): Promise<Section> {
  const rows: OpenStreams[] = []
  for (const peer of stage.peers) {
    const cookies = await cookiesOf(peer, stage.redisUrl, count)
    // What is loaded with the first one is no stream's.
    const opened = [await open(peer, cookies[0] ?? null)]
    const beforeBytes = await settled(peer)
    for (let from = 0; from < count; from += openedAtOnce) {
      const some = cookies.slice(from, from + openedAtOnce)
      opened.push(...(await Promise.all(some.map((cookie) => open(peer, cookie)))))
    }
    const withBytes = await settled(peer)
    say(`${name}: ${peer.kind.name}: ${((withBytes - beforeBytes) / count / 1024).toFixed(1)} KB each`)
    rows.push({ peer: peer.kind.name, beforeBytes, withBytes })
    for (const close of opened) close()
  }
  return { title: `${count.toLocaleString('en')} ${name}`, note, table: streamTable(rows, count) }
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

function streamTable(rows: readonly OpenStreams[], count: number): Table {
  const eachOf = ({ beforeBytes, withBytes }: OpenStreams) => (withBytes - beforeBytes) / count
  const floor = rows.find(({ peer }) => peer === nginx.name)
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
  return [
    ['peer', 'x nginx', 'KB each', 'MB before', 'MB with them'],
    ...rows.map((row) => [
      row.peer,
      ratio(eachOf(row), floor === undefined ? undefined : eachOf(floor)),
      (eachOf(row) / 1024).toFixed(1),
      megabytes(row.beforeBytes),
      megabytes(row.withBytes),
    ]),
  ]
}
