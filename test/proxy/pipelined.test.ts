import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
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
    world = await startWorld({ store: 'memory', bff: { routes } })
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
    'a path under no route': { says: () => get('/nothing', nobody), statuses: [404, 400], asked: [] },
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

  /** Asks for several at once. @returns what resolves to the upstream's connection when it is asked for the next of them */
  async function askFor(...paths: string[]) {
    const asked: Socket[] = []
    let told = Promise.withResolvers<void>()
    raw.say((socket) => {
      asked.push(socket)
      told.resolve()
    })
    const { length } = raw.log
    const line = await openLine(world.relay.port)
    line.socket.write(paths.map((path) => get(path)).join(''))
    return {
      line,
      log: () => raw.log.slice(length),
      async next(): Promise<Socket> {
        await told.promise
        told = Promise.withResolvers()
        const socket = asked.at(-1)
        assert.ok(socket)
        return socket
      },
    }
  }
  const aMoment = () => fetch(`${world.origin}/nothing`)

  test('waits for its turn: its upstream is asked when that has been answered', async () => {
    const { line, log, next } = await askFor('/api/1', '/api/2', '/api/3')
    const said = ['one!', 'two!', 'last']
    for (const [index, body] of said.entries()) {
      const upstream = await next()
      await aMoment()
      assert.deepEqual(log(), ['GET /1', 'GET /2', 'GET /3'].slice(0, index + 1))
      upstream.write(fine.replace('fine', body))
    }
    await line.until('last')
    assert.deepEqual(line.text.match(/one!|two!|last/g), said)
    line.socket.destroy()
  })

  const ends: Record<string, (line: Line) => unknown> = {
    'when their client leaves': ({ socket }) => socket.end(),
    'when a CONNECT behind it ends the connection': ({ socket }) =>
      socket.write('CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  }
  for (const [when, end] of Object.entries(ends)) {
    test(`is never begun ${when}, and the one before it is over`, async () => {
      const { line, log, next } = await askFor('/api/1', '/api/2', '/bff/events')
      const upstream = await next()
      const letGo = once(upstream, 'close', { signal: AbortSignal.timeout(5_000) })
      end(line)
      await Promise.all([letGo, line.closed()])
      await aMoment()
      assert.deepEqual(log(), ['GET /1'])
    })
  }

  test('is never begun when the answer before it breaks off', async () => {
    const { line, log, next } = await askFor('/api/1', '/api/2')
    const upstream = await next()
    upstream.end('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
    await line.closed()
    await aMoment()
    assert.match(line.text, /\r\n\r\nhalf$/)
    assert.deepEqual(log(), ['GET /1'])
  })

  test('with a body is asked for it, and passed on whole, when its turn comes', async () => {
    const { line, next } = await askFor('/api/1')
    const body = 'x'.repeat(300_000)
    const waits = `${own}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n`
    line.socket.write(`POST /api/2 HTTP/1.1\r\n${waits}\r\n`)
    const first = await next()
    await aMoment()
    assert.equal(line.text, '')
    first.end(fine)
    await line.until('HTTP/1.1 100 Continue')
    line.socket.write(body)
    const second = await next()
    second.end(fine.replace('fine', 'last'))
    await line.until('last')
    line.socket.destroy()
    await raw.emptied()
    assert.ok(raw.heard.some((said) => said.endsWith(body)))
  })

  const many = (count: number) => Array.from({ length: count }, (_, index) => `/api/${index}`)

  test('waits with ninety-nine others, and all are answered, more than once on a connection', async () => {
    const { line, next } = await askFor(...many(101))
    const answers = async (count: number) => {
      while ((line.text.match(/fine/g)?.length ?? 0) < count) await once(line.socket, 'data')
    }
    const first = await next()
    raw.say((socket) => void socket.write(fine))
    first.write(fine)
    await answers(101)
    line.socket.write(
      many(101)
        .map((path) => get(path))
        .join(''),
    )
    await answers(202)
    line.socket.destroy()
  })

  test('and is one too many ends the connection, and what was under way there', async () => {
    const { line, log, next } = await askFor(...many(102))
    const upstream = await next()
    const letGo = once(upstream, 'close', { signal: AbortSignal.timeout(5_000) })
    await Promise.all([letGo, line.closed()])
    assert.deepEqual([line.text, log().length], ['', 1])
  })
})
