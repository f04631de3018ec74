import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import {
  fine,
  isWhole,
  type Line,
  openLine,
  type RawUpstream,
  signInLines,
  startRawUpstream,
  type Talk,
  talk,
} from './raw-peers.ts'

/** How many clients at once; every test leaves as soon as all of them have got where they were going. */
const crowd = 20

describe('a connection that is reset', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', hurried: true, bff: { routes: [{ path: '/api', upstream: raw.url }] } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  beforeEach(() => raw.say((socket) => socket.end(fine)))
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const head = (line: string, more = '') => `${line} HTTP/1.1\r\n${own}${more}\r\n`
  const ask = (method: string, more = ''): Promise<Talk> =>
    talk(world.relay.port, head(`${method} /api/x`, `${more}Connection: close\r\n`))

  /** No connection to the upstream is left, nothing has broken here, and the next request is served. */
  async function allIsWell(): Promise<void> {
    await raw.emptied()
    assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)
    raw.say((socket) => socket.end(fine.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')))
    assert.deepEqual((await ask('GET')).statuses, [200])
    await raw.emptied()
  }

  /** Many clients say this; when each has been `served` it resets its connection. */
  async function resetBy(said: string, served: (line: Line) => Promise<unknown>): Promise<void> {
    await Promise.all(
      Array.from({ length: crowd }, async () => {
        const line = await openLine(world.relay.port)
        line.socket.write(said)
        await served(line)
        line.socket.resetAndDestroy()
        await line.closed()
      }),
    )
  }

  /** Resolves when the upstream has been asked by everybody. */
  function asked(then: (socket: Parameters<Parameters<RawUpstream['say']>[0]>[0]) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let count = 0
    raw.say((socket) => {
      then(socket)
      count += 1
      if (count === crowd) resolve()
    })
    return promise
  }

  describe('by the client', () => {
    const early = { 'at once': '', 'within the head': 'GET /api/x HTTP/1.1\r\nHo', 'in place of a head': '\r\n' }
    for (const [when, said] of Object.entries(early)) {
      test(`${when}: nothing is asked of the upstream`, async () => {
        const { length } = raw.log
        await resetBy(said, async () => undefined)
        assert.equal(raw.log.length, length)
        await allIsWell()
      })
    }

    const coded = 'Transfer-Encoding: chunked\r\n'
    const requests = {
      'with the whole request sent': () => head('GET /api/x'),
      'in the middle of an upload that has a length': () => `${head('POST /api/x', 'Content-Length: 1000\r\n')}half`,
      'in the middle of an upload in chunks': () => `${head('POST /api/x', coded)}4\r\nhalf\r\n`,
      'in the middle of a chunk': () => `${head('POST /api/x', coded)}9\r\nhalf`,
    }
    const answers = {
      'before any answer': '',
      'within the head of the answer': 'HTTP/1.1 200 OK\r\nContent-',
      'between head and body of the answer': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n',
      'in the middle of a download that has a length': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf',
      'in the middle of a download in chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    }
    for (const [during, request] of Object.entries(requests)) {
      for (const [when, answer] of Object.entries(answers)) {
        test(`${during}, ${when}: the upstream is let go, and takes no half for a whole`, async () => {
          const { length } = raw.heard
          const everybody = asked((socket) => void socket.write(answer))
          await resetBy(request(), (line) => (answer.endsWith('half\r\n') ? line.until('half') : everybody))
          await raw.emptied()
          for (const heard of raw.heard.slice(length)) {
            assert.doesNotMatch(heard, /\r\n0\r\n\r\n$/)
            assert.ok(heard.length < 1_000 + heard.indexOf('\r\n\r\n'))
          }
          await allIsWell()
        })
      }
    }
  })

  describe('by the upstream', () => {
    const said = {
      'before an answer': '',
      'within the status line': 'HTTP/1.1 2',
      'within the head': 'HTTP/1.1 200 OK\r\nX: ',
      'after an interim response': 'HTTP/1.1 102 Processing\r\n\r\n',
      'within a body that has a length': 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf',
      'within a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf',
      'between chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
      'before the end of the trailers':
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: 1\r\n',
    }
    for (const [when, bytes] of Object.entries(said)) {
      for (const end of ['resetAndDestroy', 'end'] as const) {
        for (const method of ['GET', 'POST']) {
          const title = `${when}, ${end === 'end' ? 'politely' : 'rudely'}: a ${method} is sent once, and is a 502 or breaks off`
          test(title, async () => {
            const { length } = raw.log
            raw.say((socket) => void socket.write(bytes, () => socket[end]()))
            for (const { statuses, text } of await Promise.all(Array.from({ length: crowd }, () => ask(method)))) {
              if (statuses.at(-1) !== 502) assert.equal(isWhole(text), false, text)
              if (!bytes.includes('half')) assert.equal(statuses.at(-1), 502)
            }
            assert.equal(raw.log.length, length + crowd)
            await allIsWell()
          })
        }
      }
    }

    test('while it is being sent a body: 502, and nothing is sent again', async () => {
      const { length } = raw.log
      raw.say((socket) => void socket.resetAndDestroy())
      const post = head('POST /api/x', `Connection: close\r\nContent-Length: 2000000\r\n`) + 'x'.repeat(100_000)
      const answers = await Promise.all(Array.from({ length: crowd }, () => talk(world.relay.port, post)))
      for (const { statuses } of answers) assert.deepEqual(statuses, [502])
      assert.equal(raw.log.length, length + crowd)
      await allIsWell()
    })

    for (const end of ['resetAndDestroy', 'end'] as const) {
      test(`just as the next request arrives on it (${end}): no request is answered wrong or sent twice`, async () => {
        // Every connection answers once, and dies of its second request.
        raw.say((socket, nth) => void (nth === 1 ? socket.write(fine) : socket[end]()))
        for (let i = 0; i < 25; i += 1) {
          for (const method of ['GET', 'POST']) {
            const { length } = raw.log
            const { statuses } = await ask(method)
            assert.ok(statuses[0] === 200 || statuses[0] === 502, String(statuses))
            const sent = raw.log.length - length
            assert.ok(sent === 1 || (method === 'GET' && sent === 2), `${method} was sent ${sent} times`)
          }
        }
        await allIsWell()
      })
    }

    test('behind every answer: whoever asks next is served, or told, and nothing is sent twice', async () => {
      raw.say((socket) => void socket.write(fine, () => socket.end()))
      for (let i = 0; i < 100; i += 1) {
        const method = i % 2 === 0 ? 'GET' : 'POST'
        const { length } = raw.log
        const { statuses } = await ask(method)
        assert.ok(statuses[0] === 200 || statuses[0] === 502, String(statuses))
        assert.ok(raw.log.length - length <= 1)
      }
      await allIsWell()
    })
  })
})
