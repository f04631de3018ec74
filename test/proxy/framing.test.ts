import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { signInLines, talk } from './raw-peers.ts'

/** Where in a request the table's text stands: among its headers, or behind them. */
type Odd = { headers: string; body?: string; startLine?: string }

const chunked = (body: string): Odd => ({ headers: 'Transfer-Encoding: chunked\r\n', body })
const coded = (value: string): Odd => ({ headers: `Transfer-Encoding:${value}\r\n`, body: '0\r\n\r\n' })
const sized = (value: string): Odd => ({ headers: `Content-Length:${value}\r\n`, body: 'hello' })

const refused: Record<string, Odd> = {
  'a length and chunks': { headers: 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', body: '0\r\n\r\n' },
  'chunks and a length': { headers: 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', body: '0\r\n\r\n' },
  'the same length twice': sized(' 5\r\nContent-Length: 5'),
  'two lengths': sized(' 5\r\nContent-Length: 0'),
  'two lengths in one line': sized(' 0,0'),
  'a length with a sign': sized(' +0'),
  'a negative length': sized(' -1'),
  'a hexadecimal length': sized(' 0x5'),
  'a length of two words': sized(' 5 5'),
  'a length with an exponent': sized(' 1e1'),
  'a length beyond all numbers': sized(' 99999999999999999999999'),
  'an empty length': sized(' '),
  'a space before the colon of the length': { headers: 'Content-Length : 5\r\n', body: 'hello' },
  'a coding that only looks like chunked': coded(' xchunked'),
  'a coding that begins like chunked': coded(' chunkedx'),
  'a quoted coding': coded(' "chunked"'),
  'a coding with a parameter': coded(' chunked;q=1'),
  'the identity coding': coded(' identity'),
  'chunks that are not the last coding': coded(' chunked, identity'),
  'chunks twice': coded(' chunked, chunked'),
  'chunks twice in two lines': coded(' chunked\r\nTransfer-Encoding: chunked'),
  'chunks and then identity in two lines': coded(' chunked\r\nTransfer-Encoding: identity'),
  'an empty coding': coded(''),
  'a vertical tab before the coding': coded('\x0bchunked'),
  'a folded coding': coded('\r\n chunked'),
  'a space before the colon of the coding': { headers: 'Transfer-Encoding : chunked\r\n', body: '0\r\n\r\n' },
  'a line that ends in a bare LF': { headers: 'X: 1\nY: 2\r\n' },
  'a request line that ends in a bare LF': { headers: '', startLine: 'POST /api/odd HTTP/1.1\n' },
  'a head that ends in bare LFs': { headers: 'X: 1\n\n' },
  'a bare CR in a header': { headers: 'X: 1\rY: 2\r\n' },
  'a NUL in a header': { headers: 'X: a\0b\r\n' },
  'a header folded by a space': { headers: 'X: 1\r\n Y: 2\r\n' },
  'a header folded by a tab': { headers: 'X: 1\r\n\tY: 2\r\n' },
  'a header without a colon': { headers: 'nothing\r\n' },
  'a header without a name': { headers: ': x\r\n' },
  'a space in the name of a header': { headers: 'A B: x\r\n' },
  'a control character in the name of a header': { headers: 'A\x01B: x\r\n' },
  'another minor version': { headers: '', startLine: 'POST /api/odd HTTP/1.2\r\n' },
  'a method in lower case': { headers: '', startLine: 'post /api/odd HTTP/1.1\r\n' },
  'an HTTP/2 preface': { headers: '', startLine: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  'a TLS handshake': { headers: '', startLine: '\x16\x03\x01\x02\x00\x01\x00\x01' },
  'a chunk size that ends in a bare LF': chunked('5\nhello\r\n0\r\n\r\n'),
  'a chunk size with 0x': chunked('0x5\r\nhello\r\n0\r\n\r\n'),
  'a negative chunk size': chunked('-1\r\nhello\r\n0\r\n\r\n'),
  'a space behind a chunk size': chunked('5 \r\nhello\r\n0\r\n\r\n'),
  'a space before a chunk size': chunked(' 5\r\nhello\r\n0\r\n\r\n'),
  'a chunk size beyond all numbers': chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n'),
  'a chunk that is longer than it says': chunked('5\r\nhelloXX0\r\n\r\n'),
  'a chunk extension with a bare LF': chunked('5;x\nhello\r\n0\r\n\r\n'),
  'a chunk extension with a bare CR': chunked('5;\rx\r\nhello\r\n0\r\n\r\n'),
  'a chunk extension with a quoted line end': chunked('5;x="y\r\n"\r\nhello\r\n0\r\n\r\n'),
  'a chunk extension without end': chunked(`5;${'x'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`),
  'chunks in HTTP/1.0': {
    startLine: 'POST /api/odd HTTP/1.0\r\n',
    headers: 'Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n',
    body: '5\r\nhello\r\n0\r\n\r\n',
  },
  'two codings': coded(' identity, chunked'),
  'two codings in two lines': coded(' identity\r\nTransfer-Encoding: chunked'),
  'compressed chunks': coded(' gzip, chunked'),
  'a second Host': { headers: 'Host: evil.example\r\n' },
  'HTTP/2.0 in words': { headers: '', startLine: 'POST /api/odd HTTP/2.0\r\n' },
  'a length among the trailers': chunked('5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n'),
}

const served: Record<string, Odd & { bodyBytes: number }> = {
  'an ordinary length': { ...sized(' 5'), bodyBytes: 5 },
  'a length between tabs': { ...sized('\t5\t'), bodyBytes: 5 },
  'a length with leading zeros': { ...sized(' 005'), bodyBytes: 5 },
  'ordinary chunks': { ...chunked('5\r\nhello\r\n0\r\n\r\n'), bodyBytes: 5 },
  'chunk extensions': { ...chunked('5;x=y\r\nhello\r\n0;z\r\n\r\n'), bodyBytes: 5 },
  'a coding in capitals': { ...coded(' CHUNKED'), bodyBytes: 0 },
  'a header that some take for the coding': { headers: 'Transfer_Encoding: chunked\r\n', bodyBytes: 0 },
  'empty lines before it': { headers: '', startLine: '\r\n\r\nPOST /api/odd HTTP/1.1\r\n', bodyBytes: 0 },
}

describe('a connection on which a second request lies behind', { concurrency: false }, () => {
  let world: World
  let own: string
  let completed: string[]
  before(async () => {
    world = await startWorld({ store: 'memory' })
    own = `Host: localhost:${world.relay.port}\r\n${await signInLines(world)}`
    world.upstream.onRequest((request) => {
      // Only what has come whole will have been acted upon.
      request.once('end', () => completed.push(`${request.method} ${request.url}`))
      return false
    })
  })
  after(() => world.close())

  const closing = (path: string) => `GET /api/${path} HTTP/1.1\r\n${own}Connection: close\r\n\r\n`
  const odd = ({ startLine = 'POST /api/odd HTTP/1.1\r\n', headers, body = '' }: Odd) =>
    `${startLine}${own}${headers}\r\n${body}`

  for (const [name, request] of Object.entries(refused)) {
    test(`${name}: is refused and closed, and nothing reaches the upstream`, async () => {
      completed = []
      const { statuses, text } = await talk(world.relay.port, odd(request) + closing('behind'))
      assert.deepEqual(statuses, [400])
      assert.match(text, /^connection: close\r$/im)
      assert.match(text, /^content-type: application\/problem\+json\r$/im)
      // Whatever had been passed on before is there before this one.
      assert.deepEqual((await talk(world.relay.port, closing('afterwards'))).statuses, [200])
      assert.deepEqual(completed, ['GET /afterwards'])
    })
  }

  for (const [name, { bodyBytes, ...request }] of Object.entries(served)) {
    test(`${name}: is served, and so is what lies behind, in its order`, async () => {
      completed = []
      const { statuses, text } = await talk(world.relay.port, odd(request) + closing('behind'))
      assert.deepEqual(statuses, [200, 200])
      assert.deepEqual(completed.toSorted(), ['GET /behind', 'POST /odd'])
      assert.deepEqual(
        [...text.matchAll(/"url":"([^"]*)"/g)].map((match) => match[1]),
        ['/odd', '/behind'],
      )
      assert.equal(/"bodyBytes":(\d+)/.exec(text)?.[1], String(bodyBytes))
      assert.doesNotMatch(text, /transfer_encoding/i)
    })
  }

  const hosts = { 'another Host': 'evil.example', 'a Host with a user': 'bff@evil', 'an empty Host': '' }
  for (const [name, host] of Object.entries(hosts)) {
    test(`${name} is never told to the upstream`, async () => {
      const { text } = await talk(world.relay.port, closing('host').replace(/^Host: .*$/m, `Host: ${host}`))
      if (text.startsWith('HTTP/1.1 400 ')) return
      assert.match(text, new RegExp(`"host","127.0.0.1:${world.upstream.port}"`))
      assert.match(text, new RegExp(`"X-Forwarded-Host","localhost:${world.relay.port}"`))
      assert.doesNotMatch(text, /evil/)
    })
  }
})
