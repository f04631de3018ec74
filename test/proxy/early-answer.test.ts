import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { fine, type Line, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

/** More than all the buffers between a client and us hold. */
const uploadBytes = 30_000_000

describe('a request that is answered before it has been read', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const routes = [
      { path: '/api', upstream: raw.url },
      { path: '/small', upstream: raw.url, maxBodyBytes: 100_000 },
      { path: '/ws', upstream: raw.url, webSocket: true },
    ]
    world = await startWorld({ store: 'memory', bff: { routes } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** Sends everything before it reads anything, and says what came back when the connection has closed. */
  async function insists(head: string, body: Buffer): Promise<Line> {
    const line = await openLine(world.relay.port)
    line.socket.pause()
    line.socket.write(`POST ${head}\r\n`)
    const sent = Promise.withResolvers<void>()
    line.socket.write(body, () => sent.resolve())
    await sent.promise
    line.socket.resume()
    await line.closed()
    return line
  }

  const sized = `Content-Length: ${uploadBytes}\r\n`
  const coded = 'Transfer-Encoding: chunked\r\n'
  const plain = Buffer.alloc(uploadBytes, 'x')
  const chunk = `2710\r\n${'x'.repeat(10_000)}\r\n`
  const chunks = Buffer.alloc(uploadBytes, chunk)
  const early: Record<string, { head: () => string; body: Buffer; status: number; ends: string }> = {
    'too long by its length': {
      head: () => `/small/x HTTP/1.1\r\n${own}${sized}`,
      body: plain,
      status: 413,
      ends: '}',
    },
    'too long by its chunks': {
      head: () => `/small/x HTTP/1.1\r\n${own}${coded}`,
      body: chunks,
      status: 413,
      ends: '}',
    },
    'without a session': {
      head: () => `/api/x HTTP/1.1\r\nHost: localhost\r\n${sized}`,
      body: plain,
      status: 403,
      ends: '}',
    },
    'refused by the upstream': {
      head: () => `/api/x HTTP/1.1\r\n${own}${sized}`,
      body: plain,
      status: 413,
      ends: 'long',
    },
    'refused by the upstream in chunks': {
      head: () => `/api/x HTTP/1.1\r\n${own}${coded}`,
      body: chunks,
      status: 413,
      ends: 'long',
    },
    'framed in two ways': {
      head: () => `/api/x HTTP/1.1\r\n${own}${sized}Transfer-Encoding: identity\r\n`,
      body: plain,
      status: 400,
      ends: '}',
    },
    'not HTTP at all': { head: () => `/api/x HTTP/1.1\r\n${own} : x\r\n`, body: plain, status: 400, ends: '}' },
  }
  for (const [name, { head, body, status, ends }] of Object.entries(early)) {
    test(`${name}: its client gets the whole answer, however much it still sends`, async () => {
      raw.say((socket) => void socket.end('HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo long'))
      const { text } = await insists(head(), body)
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*${ends}$`))
      assert.match(text, /^connection: close\r$/im)
    })
  }

  test('and has no body keeps its connection', async () => {
    const line = await openLine(world.relay.port)
    for (const [target, code] of [
      ['/nothing', 'no_route'],
      ['*', 'bad_target'],
    ]) {
      line.socket.write(`GET ${target} HTTP/1.1\r\n${own}\r\n`)
      await line.until(`"${code}"`)
    }
    line.socket.destroy()
  })

  test('with an error, and has come whole by then, keeps its connection', async () => {
    raw.say((socket) => void socket.destroy())
    const line = await openLine(world.relay.port)
    for (const answer of ['}', '}HTTP/1.1 502 Bad Gateway']) {
      line.socket.write(`POST /api/x HTTP/1.1\r\n${own}Content-Length: 5\r\n\r\nhello`)
      await line.until(answer)
    }
    line.socket.destroy()
  })

  test('nothing that comes behind it is acted upon', async () => {
    raw.say((socket) => void socket.write(fine))
    const { length } = raw.log
    const behind = `GET /api/behind HTTP/1.1\r\n${own}\r\n`
    const noHost = own.replace(/^Host.*\r\n/, '')
    for (const first of [
      `GET /api/x HTTP/1.1\r\n${noHost}\r\n`,
      `POST /small/x HTTP/1.1\r\n${own}Content-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`,
      `GET /ws/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    ]) {
      const line = await openLine(world.relay.port)
      line.socket.write(first + behind)
      await line.closed()
      assert.equal(line.text.match(/HTTP\/1\.1 4\d\d /g)?.length, 1)
    }
    assert.equal(raw.log.length, length)
  })

  for (const upgrade of ['h2c', 'websocket', 'foo']) {
    test(`with an upgrade to ${upgrade} that is not made: what lies behind is told so by the end of the connection`, async () => {
      raw.say((socket) => void socket.write(fine))
      const line = await openLine(world.relay.port)
      const first = `GET /api/x HTTP/1.1\r\n${own}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`
      line.socket.write(`${first}GET /api/behind HTTP/1.1\r\n${own}\r\n`)
      await line.closed()
      assert.match(line.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*^connection: close\r\n[\s\S]*fine$/im)
    })
  }
})
