import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { type Line, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

/** How soon the upstream must be let go, in milliseconds. */
const soonMs = 5_000

const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`

describe('a client that ends its side of the connection has gone', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: raw.url }] } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** The client asks; resolves with the upstream's side when `answer` has been said there. */
  async function asks(request: string, answer: (socket: Socket) => void): Promise<{ line: Line; upstream: Socket }> {
    const { promise, resolve } = Promise.withResolvers<Socket>()
    raw.say((socket) => {
      answer(socket)
      resolve(socket)
    })
    const line = await openLine(world.relay.port)
    line.socket.write(request)
    return { line, upstream: await promise }
  }

  /** The client leaves, and its upstream is let go in time. */
  async function leaves(line: Line, upstream: Socket): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = setTimeout(() => reject(new Error('the upstream is still held')), soonMs)
    upstream.once('close', () => resolve()) // by whichever end
    line.socket.end()
    await promise
    clearTimeout(late)
    assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)
    line.socket.destroy()
  }

  const get = () => `GET /api/x HTTP/1.1\r\n${own}\r\n`

  test('while it waits for the first byte', async () => {
    const { line, upstream } = await asks(get(), () => undefined)
    await leaves(line, upstream)
  })

  test('in the middle of an answer', async () => {
    const { line, upstream } = await asks(get(), (socket) => void socket.write(head + chunk))
    await line.until('xxxx')
    await leaves(line, upstream)
  })

  test('in the middle of an event stream', async () => {
    const events = `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n`
    const { line, upstream } = await asks(get(), (socket) => void socket.write(events))
    await line.until('data: one')
    await leaves(line, upstream)
  })

  test('in the middle of an answer that it does not read', async () => {
    const full = Promise.withResolvers<void>()
    const { line, upstream } = await asks(get(), (socket) => {
      socket.write(head)
      const flood = () => {
        while (socket.write(chunk));
        // Nothing has been taken for a while: all that lies between is full.
        const stalled = setTimeout(() => full.resolve(), 200)
        socket.once('drain', () => {
          clearTimeout(stalled)
          flood()
        })
      }
      flood()
    })
    line.socket.pause()
    await full.promise
    await leaves(line, upstream)
  })

  for (const [name, headers, body] of [
    ['that has a length', 'Content-Length: 1000\r\n', 'half'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n', '4\r\nhalf\r\n'],
  ]) {
    test(`in the middle of an upload ${name}, which then never looks complete`, async () => {
      const { length } = raw.heard
      const post = `POST /api/x HTTP/1.1\r\n${own}${headers}\r\n${body}`
      const { line, upstream } = await asks(post, () => undefined)
      await leaves(line, upstream)
      const [heard = ''] = raw.heard.slice(length)
      assert.match(heard, /half/)
      assert.doesNotMatch(heard, /\r\n0\r\n\r\n$/)
    })
  }
})
