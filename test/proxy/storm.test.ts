import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { createRandom } from '../support/random.ts'
import { startWorld, type World } from '../support/world.ts'
import { startDirectServer } from './embedding.ts'
import { fine, openLine, type RawUpstream, startRawUpstream } from './raw-peers.ts'
import { createStormTalk, stormRoutes } from './storm-talk.ts'

const connections = 3_000
const atOnce = 30
/** All but the first end while it rages. */
const sessions = 4

/** Idle connections to an upstream are kept for four seconds; what is open for longer has been forgotten. */
const keptMs = 8_000

const random = createRandom(20_261_122)
const { chance, pick, int } = random
const talk = createStormTalk(random)

const disposal = new AsyncDisposableStack()
let raw: RawUpstream
let world: World
let server: Server
let port: number
let browsers: Browser[]
before(async () => {
  raw = disposal.use(await startRawUpstream())
  world = disposal.use(
    await startWorld({ store: 'memory', bff: { routes: stormRoutes(raw.url), timing: { idleBody: 2_000 } } }),
  )
  const bff = world.nodes[0]?.bff
  assert.ok(bff !== undefined)
  ;({ server, port } = disposal.use(await startDirectServer(bff)))
  browsers = Array.from({ length: sessions }, () => world.browser())
  for (const browser of browsers) await browser.login()
})
after(() => disposal.disposeAsync())

/** Says a request or several, in pieces, and leaves in one way or another. */
async function client(lines: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}) // to be reset is part of it
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  // Who does not read and goes resets the connection. (Node's own way hangs when the other side does so too.)
  if (chance(0.7)) socket.resume()
  const count = pick([1, 1, 1, 2, 3, 5])
  // Node does not read on while much is waiting to be said: that somebody with several requests has left may only be
  // seen when the session has ended.
  const own = pick(count === 1 ? lines : lines.slice(1))
  for (let i = 0; i < count; i++) {
    for (const piece of talk.request(own)) await say(socket, piece)
    if (chance(0.2) && socket.writable) socket.write(talk.noise())
    for (let turns = pick([0, 0, 1, 3, 10]); turns > 0; turns--) await turn()
    if (chance(0.3)) await pause(pick([0, 1, 3, 10]))
  }
  const end = pick(['end', 'destroy', 'wait'])
  if (end === 'end') socket.end()
  if (end !== 'destroy') await Promise.race([closed, pause(50)])
  socket.destroy()
  await closed
}

async function say(socket: Socket, text: string): Promise<void> {
  let rest = text
  while (rest !== '' && socket.writable) {
    const length = chance(0.7) ? rest.length : int(1, rest.length)
    socket.write(rest.slice(0, length), 'latin1')
    rest = rest.slice(length)
    if (chance(0.3)) await turn()
    if (chance(0.01)) socket.destroy()
  }
}

function upstream(socket: Socket): void {
  const text = talk.answer()
  const cut = int(0, text.length)
  const write = (part: string) => void (socket.writable && socket.write(part, 'latin1'))
  const how = pick(['whole', 'whole', 'pieces', 'late', 'end', 'part'])
  if (how === 'whole' || how === 'end') write(text)
  else if (how !== 'late') write(text.slice(0, cut))
  if (how === 'pieces') setImmediate(() => write(text.slice(cut)))
  if (how === 'late') setTimeout(() => write(text), 5)
  if (how === 'end') socket.end()
  if (how === 'part') setImmediate(() => socket.destroy())
  if (chance(0.2)) setTimeout(() => void (socket.writable && socket.write(talk.noise())), 2)
  if (chance(0.2)) setTimeout(() => socket.destroy(), 20)
}

/** Neither says so, so it is asked again and again. @throws Error when a connection is open for longer than any is kept */
async function allClosed(): Promise<void> {
  const late = AbortSignal.timeout(keptMs)
  const open = () => new Promise<number>((resolve) => void server.getConnections((_error, count) => resolve(count)))
  for (let count = await open(); count > 0; count = await open()) {
    if (late.aborted) throw new Error(`${count} clients' connections are open still`)
    await pause(20)
  }
}

test('whatever clients and upstreams say, and however they leave: the server serves on, and no connection is left', async () => {
  raw.say(upstream)
  const cookie = (browser: Browser) =>
    `Cookie: bff=${browser.cookies.get('bff')?.value}\r\nX-CSRF: 1\r\nOrigin: ${world.origin}\r\n`
  const lines = browsers.map(cookie)
  let begun = 0
  const crowd = Array.from({ length: atOnce }, async () => {
    while (begun++ < connections) {
      const ending = begun % (connections / (sessions - 1)) === 0 ? browsers.pop() : undefined
      if (ending !== undefined) await ending.api('/bff/logout', { method: 'POST' })
      await client(lines)
    }
  })
  await Promise.all(crowd)
  assert.ok(raw.log.length > connections / 50, `only ${raw.log.length} requests reached the upstream`)
  await raw.emptied(keptMs)
  await allClosed()
  assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)

  raw.say((socket) => socket.end(fine))
  const line = await openLine(port)
  line.socket.write(`GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines[0]}\r\n`)
  await line.closed()
  assert.match(line.text, /^HTTP\/1\.1 200 /)
})
