import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { eventsOf } from '../support/event-stream.ts'
import { startWorld, type World } from '../support/world.ts'
import { fine, type Line, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

const handshake =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

describe('a request that comes behind another one, before that has been answered', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const routes = [
      { path: '/api', upstream: raw.url },
      { path: '/ws', upstream: raw.url, webSocket: true },
    ]
    world = await startWorld({ store: 'memory', bff: { routes, timing: { heartbeat: 100 } } })
    own = `Host: localhost\r\nOrigin: ${world.origin}\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const get = (path: string, more = own) => `GET ${path} HTTP/1.1\r\n${more}\r\n`
  const nobody = 'Host: localhost\r\n'

  const first: Record<string, { says: () => string; statuses: number[]; asked: string[] }> = {
    'a call of an API': { says: () => get('/api/x'), statuses: [200, 400], asked: ['GET /x'] },
    'a call without a session': { says: () => get('/api/x', nobody), statuses: [403, 400], asked: [] },
    'a request to an endpoint of ours': { says: () => get('/bff/user'), statuses: [200, 400], asked: [] },
    // Behind what is refused at first sight the connection ends.
    'a path under no route': { says: () => get('/nothing', nobody), statuses: [404], asked: [] },
  }
  for (const [name, { says, statuses, asked }] of Object.entries(first)) {
    for (const whose of ['a user', 'nobody']) {
      test(`${name}, and behind it a WebSocket handshake of ${whose}: the first is answered, the other is not made`, async () => {
        raw.say((socket) => void socket.write(fine))
        const { length } = raw.log
        const line = await openLine(world.relay.port)
        line.socket.write(says() + get('/ws/x', (whose === 'a user' ? own : nobody) + handshake))
        await line.closed()
        const answers = [...line.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
        assert.deepEqual(answers, statuses)
        assert.deepEqual(raw.log.slice(length), asked)
        assert.equal(world.nodes[0]?.bff.counts['upgrade_not_attached'], undefined)
      })
    }
  }

  test('a handshake whose server hands it over all the same ends the connection, and nothing else', async () => {
    const bff = world.nodes[0]?.bff
    assert.ok(bff !== undefined)
    const server: Server = createServer(bff.handle).on('upgrade', bff.upgrade)
    const port = await listen(server, 0, '127.0.0.1')
    raw.say(() => undefined)
    const line = await openLine(port)
    line.socket.write(get('/api/x') + get('/ws/x', own + handshake))
    await line.closed()
    assert.equal(line.text, '')
    raw.say((socket) => void socket.write(fine))
    const next = await openLine(port)
    next.socket.write(get('/api/x'))
    await next.until('fine')
    next.socket.destroy()
    await closeServer(server)
  })

  /** Asks for so many, of which none is answered. @returns their client, and what resolves when the upstream is let go */
  async function unanswered(count: number): Promise<{ line: Line; letGo: Promise<unknown> }> {
    const asked = Promise.withResolvers<void>()
    const closed: Promise<unknown>[] = []
    raw.say((socket) => {
      closed.push(once(socket, 'close', { signal: AbortSignal.timeout(5_000) }))
      if (closed.length === count) asked.resolve()
    })
    const line = await openLine(world.relay.port)
    line.socket.write(get('/api/x').repeat(count))
    await asked.promise
    return { line, letGo: Promise.all(closed) }
  }

  test('is over, like those before it, when their client leaves', async () => {
    const { line, letGo } = await unanswered(3)
    line.socket.destroy()
    await letGo
  })

  test('is over when a CONNECT behind it ends the connection', async () => {
    const { line, letGo } = await unanswered(3)
    line.socket.write('CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await Promise.all([letGo, line.closed()])
  })

  test('ends the connection when its turn comes, if its answer has broken off', async () => {
    const both = Promise.withResolvers<void>()
    const upstreams: Socket[] = []
    raw.say((socket) => {
      if (upstreams.push(socket) === 2) both.resolve()
    })
    const { length } = raw.log
    const line = await openLine(world.relay.port)
    line.socket.write(get('/api/first') + get('/api/second'))
    await both.promise
    const upstreamOf = (path: string) => upstreams[raw.log.slice(length).indexOf(`GET ${path}`)]
    const second = upstreamOf('/second')
    assert.ok(second)
    second.end('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
    await once(second, 'close')
    upstreamOf('/first')?.write(fine)
    await line.closed()
    assert.match(line.text, /\r\n\r\nfineHTTP\/1\.1 200 OK\r\n[\s\S]+\r\n\r\nhalf$/)
  })

  test('is over, where it is a stream of events, when its session is: it is given no more signs of life', async () => {
    const { line } = await unanswered(1)
    const [browser, watching] = [world.browser(), world.browser()]
    await Promise.all([browser.login(), watching.login()])
    const events = await watching.api('/bff/events')
    const heartbeats = eventsOf(events)
    const cookie = `Host: localhost\r\nX-CSRF: 1\r\nCookie: bff=${browser.cookies.get('bff')?.value}\r\n`
    line.socket.write(get('/bff/events', cookie))
    await heartbeats.next()
    await browser.api('/bff/logout', { method: 'POST' })
    // Whoever gets these would have had one of them too.
    await heartbeats.next()
    await heartbeats.next()
    await heartbeats.return(undefined)
    line.socket.destroy()
    await line.closed()
  })
})
