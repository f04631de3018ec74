import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { fine, openLine, type RawUpstream, signInLines, startRawUpstream, talk } from './raw-peers.ts'

describe('a client that speaks HTTP/1.0', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: raw.url }] } })
    own = await signInLines(world)
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX-Late: 1\r\n\r\n'
  const said = {
    'a body with a length': fine,
    'a body in chunks': chunked,
    'a body behind interim responses': `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n${chunked}`,
  }
  for (const [name, bytes] of Object.entries(said)) {
    for (const more of ['', 'Connection: keep-alive\r\nTE: trailers\r\n']) {
      test(`is given ${name} ${more === '' ? '' : 'on a connection that it would keep '}in its own terms`, async () => {
        raw.say((socket) => void socket.write(bytes))
        const line = await openLine(world.relay.port)
        line.socket.write(`GET /api/x HTTP/1.0\r\n${own}${more}\r\n`)
        await line.until('fine')
        // Kept open only where the length was said.
        if (bytes !== fine || more === '') await line.closed()
        line.socket.destroy()
        assert.match(line.text, /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*\r\nfine$/)
        assert.doesNotMatch(line.text, /^(transfer-encoding|x-late):/im)
      })
    }
  }

  test('sees by the end of the connection that an answer broke off only where its length was said', async () => {
    raw.say((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))
    const { text } = await talk(world.relay.port, `GET /api/x HTTP/1.0\r\n${own}\r\n`)
    assert.match(text, /^content-length: 9\r$/im)
    assert.match(text, /\r\n\r\nhalf$/)
  })

  test('is served without a Host', async () => {
    raw.say((socket) => void socket.write(fine))
    const { length } = raw.log
    assert.deepEqual((await talk(world.relay.port, `GET /api/x HTTP/1.0\r\n${own}\r\n`)).statuses, [200])
    assert.deepEqual(raw.log.slice(length), ['GET /x'])
  })
})
