import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { type RawUpstream, signInLines, startRawUpstream, talk } from './raw-peers.ts'

describe('what an upstream says behind a body', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const responseHeaders = { remove: ['x-internal'], set: { 'X-Ours': 'ours' } }
    const routes = [{ path: '/api', upstream: raw.url, responseHeaders, responseCookies: ['theme'] }]
    world = await startWorld({ store: 'memory', bff: { routes } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** The lines behind the body that a client gets when the upstream says these. */
  async function passed(said: readonly string[], head = '', ask = 'TE: trailers\r\n'): Promise<string[]> {
    const lines = said.map((line) => `${line}\r\n`).join('')
    raw.say((socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\n${head}Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n${lines}\r\n`,
        'latin1',
      )
    })
    const { text } = await talk(world.relay.port, `GET /api/x HTTP/1.1\r\n${own}Connection: close\r\n${ask}\r\n`)
    const trailers = /\r\n4\r\nfine\r\n0\r\n((?:.+\r\n)*)\r\n$/.exec(text)?.[1]
    assert.notEqual(trailers, undefined, text)
    return trailers?.split('\r\n').slice(0, -1) ?? []
  }

  for (const line of [
    'x-checksum: 42',
    'server-timing: db;dur=53',
    'content-digest: sha-256=:eA==:',
    'etag: "x"',
    'x-name: caf\xe9',
  ]) {
    test(`${line} passes`, async () => {
      assert.deepEqual(await passed([line]), [line])
    })
  }

  test('the same name twice is a list', async () => {
    assert.deepEqual(await passed(['x-checksum: 1', 'x-checksum: 2']), ['x-checksum: 1,2'])
  })

  test('a client that has not asked for it gets the body alone', async () => {
    assert.deepEqual(await passed(['x-checksum: 42'], '', ''), [])
  })

  /** By what they are withheld from a head, too. */
  const notInAHead = [
    'Set-Cookie: bff=stolen',
    'Clear-Site-Data: "*"',
    'Server: secret/1',
    'X-Powered-By: secret',
    'WWW-Authenticate: Basic',
    'Proxy-Authenticate: Basic',
    'Access-Control-Allow-Origin: *',
    'CDN-Cache-Control: max-age=60',
    'X-Accel-Redirect: /internal',
    'Keep-Alive: timeout=9',
    'Connection: x-checksum',
    'Trailer: x-checksum',
    'X-Internal: db1',
  ]
  for (const line of notInAHead) {
    test(`${line} passes no more than it would in a head`, async () => {
      assert.deepEqual(await passed([line, 'x-checksum: 42']), ['x-checksum: 42'])
    })
  }

  const decidedBefore = [
    'Set-Cookie: theme=dark',
    'X-Ours: theirs',
    'X-Content-Type-Options: none',
    'Cross-Origin-Resource-Policy: cross-origin',
    'Cache-Control: public',
    'Expires: Thu, 01 Jan 2099 00:00:00 GMT',
    'Age: 1',
    'Vary: *',
    'Location: /elsewhere',
    'Refresh: 0; url=/elsewhere',
    'Content-Type: text/html',
    'Content-Encoding: gzip',
    'Content-Range: bytes 0-1/2',
    'Content-Disposition: inline',
    "Content-Security-Policy: default-src 'none'",
    'Authorization: Bearer x',
    'Cookie: a=b',
    'Host: elsewhere',
    'If-Match: "x"',
    'Max-Forwards: 1',
    'Range: bytes=0-1',
    'Authentication-Info: nextnonce="x"',
    'Proxy-Authentication-Info: nextnonce="x"',
    'Date: Thu, 01 Jan 2099 00:00:00 GMT',
    'Pragma: no-cache',
    'Retry-After: 1',
    'Warning: 110 - stale',
  ]
  for (const line of decidedBefore) {
    test(`${line} comes too late`, async () => {
      assert.deepEqual(await passed([line, 'x-checksum: 42']), ['x-checksum: 42'])
    })
  }

  test('what the head has kept to the connection does not come behind the body', async () => {
    assert.deepEqual(await passed(['x-hop: 1', 'x-checksum: 42'], 'Connection: keep-alive, X-Hop\r\n'), [
      'x-checksum: 42',
    ])
  })
})
