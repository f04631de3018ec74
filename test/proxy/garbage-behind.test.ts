import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { startWorld, type World } from '../support/world.ts'
import {
  ask as askAt,
  fine,
  type Line,
  openLine,
  type RawUpstream,
  signInLines,
  startRawUpstream,
} from './raw-peers.ts'

const garbage = 'garbage\r\n\r\n'
/** How soon the upstream must be let go, in milliseconds. */
const soonMs = 5_000

describe('a request behind which comes what is no request', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let get: (path: string) => string
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: raw.url }] } })
    const own = `Host: localhost\r\n${await signInLines(world)}`
    get = (path) => `GET /api/${path} HTTP/1.1\r\n${own}\r\n`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const ask = (bytes: string) => askAt(raw, bytes, world.relay.port)
  const statuses = ({ text }: Line) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))

  test('is answered, and the connection closes behind the answer', async () => {
    const { length } = raw.log
    const { line, upstream } = await ask(get('one') + garbage + get('behind'))
    line.socket.write(garbage + get('later'))
    upstream.write(fine)
    await line.closed()
    assert.deepEqual(statuses(line), [200])
    assert.match(line.text, /^connection: close\r$/im)
    assert.match(line.text, /\r\n\r\nfine$/)
    assert.deepEqual(raw.log.slice(length), ['GET /one'])
  })

  test('is answered, and so are those before it, in their order', async () => {
    raw.say((socket) => void socket.write(fine))
    const line = await openLine(world.relay.port)
    line.socket.write(get('one') + get('two') + get('three') + garbage)
    await line.closed()
    assert.deepEqual(statuses(line), [200, 200, 200])
    assert.match(line.text, /fine$/)
    assert.equal(line.text.match(/^connection: close\r$/gim)?.length, 1)
  })

  test("is answered though it is an embedder's own, which stands in no queue of ours", async () => {
    const [node] = world.nodes
    assert.ok(node !== undefined)
    const { bff } = node
    const server = createServer((request, response) => {
      if (request.url === '/theirs') response.end('theirs')
      else bff.handle(request, response)
    })
    bff.attach(server)
    const { line, upstream } = await askAt(raw, get('one'), await listen(server, 0, '127.0.0.1'))
    line.socket.write(`GET /theirs HTTP/1.1\r\nHost: localhost\r\n\r\n${garbage}`)
    await once(server, 'clientError')
    upstream.write(fine)
    await line.closed()
    assert.match(line.text, /fineHTTP[\s\S]*theirs$/)
    await closeServer(server)
  })

  test('is answered to the end, though the answer had begun', async () => {
    const { line, upstream } = await ask(get('one'))
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
    await line.until('half')
    line.socket.write(garbage)
    line.socket.write(garbage)
    // Whatever was written before this has been read.
    await fetch(world.origin)
    upstream.write('done')
    await line.closed()
    assert.match(line.text, /\r\n\r\nhalfdone$/)
  })

  for (const [how, bytes] of [
    ['behind it', garbage],
    ['in the middle of it', 'GET /api/x HT'],
  ] as const) {
    test(`is over when its client leaves ${how}`, async () => {
      const { line, upstream } = await ask(get('one') + bytes)
      const gone = once(upstream, 'close', { signal: AbortSignal.timeout(soonMs) })
      line.socket.end()
      await Promise.all([gone, line.closed()])
      assert.equal(line.text, '')
    })
  }

  test('is not answered when the one behind it breaks off in its body', async () => {
    const post = get('two').replace('GET', 'POST').replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')
    const line = await openLine(world.relay.port)
    line.socket.write(`${get('one')}${post}5\r\nhello\r\nzz\r\n`)
    await line.closed()
    assert.equal(line.text, '')
  })
})
