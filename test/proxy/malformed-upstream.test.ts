import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { fine, isWhole, type RawUpstream, startRawUpstream, type Talk, talk } from './raw-peers.ts'

const ok = 'HTTP/1.1 200 OK\r\n'
const chunks = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const headed = (header: string) => `${ok}${header}\r\n\r\nfine`

/** Never an answer. */
const garbage: Record<string, string> = {
  'garbage for a status line': 'garbage\r\n\r\n',
  'HTTP/0.9': 'hello world\n',
  'a status of letters': 'HTTP/1.1 abc OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'a negative status': 'HTTP/1.1 -200 OK\r\n\r\n',
  'status 000': 'HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n',
  'status 099': 'HTTP/1.1 099 Less\r\nContent-Length: 0\r\n\r\n',
  'a version to come': 'HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'another protocol': 'ICY 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a space before it all': ` ${fine}`,
  'HTTP/2 settings': '\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\xa0\0\0\0\x02\0\0\0\0',
  'a TLS alert': '\x15\x03\x01\0\x02\x02\x0a',
  'a NUL in a header': headed('X: a\0b'),
  'a control character in a header': headed('X: a\x01b'),
  'a bare CR in a header': headed('X: a\rb'),
  'a bare LF behind a header': headed('X: 1\nContent-Length: 4'),
  'a space in the name of a header': headed('A B: 1'),
  'a name that is not ASCII': headed('X\xc3\xa9: 1'),
  'a header without a colon': headed('nothing'),
  'a header without a name': headed(': x'),
  'a folded header': headed('X: 1\r\n 2'),
  'a length and chunks': headed('Content-Length: 4\r\nTransfer-Encoding: chunked'),
  'chunks and a length': headed('Transfer-Encoding: chunked\r\nContent-Length: 4'),
  'two lengths': headed('Content-Length: 4\r\nContent-Length: 5'),
  'the same length twice': headed('Content-Length: 4\r\nContent-Length: 4'),
  'lengths in one line': headed('Content-Length: 4,4'),
  'a negative length': headed('Content-Length: -1'),
  'a length of letters': headed('Content-Length: four'),
  'a hexadecimal length': headed('Content-Length: 0x4'),
  'a length beyond all numbers': headed('Content-Length: 99999999999999999999999'),
  'an empty length': headed('Content-Length:'),
  'a space before the colon of the length': headed('Content-Length : 4'),
  'a coding that nobody asked for': headed('Transfer-Encoding: gzip'),
  'a coding that nobody asked for, in chunks': `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n`,
  'chunks that are not the last coding': headed('Transfer-Encoding: chunked, identity'),
  'an unasked 100': `HTTP/1.1 100 Continue\r\n\r\n${fine}`,
  'an unasked 101': `HTTP/1.1 101 Switching Protocols\r\n\r\n${fine}`,
  'an unasked 101 that upgrades': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  'a head of 17 KB': headed(`Content-Length: 4\r\nX: ${'x'.repeat(17_000)}`),
}

/** What is said and then no more: the connection is closed behind it. */
const cutShort: Record<string, string> = {
  nothing: '',
  'half a status line': 'HTTP/1.1 20',
  'half a head': `${ok}Content-Le`,
  'an interim response alone': 'HTTP/1.1 103 Early Hints\r\n\r\n',
}

/** Begun well, and then what could not be passed on. */
const brokenBodies: Record<string, string> = {
  'a chunk size of letters': `${chunks}zz\r\n`,
  'a chunk size with 0x': `${chunks}0x4\r\nfine\r\n0\r\n\r\n`,
  'a negative chunk size': `${chunks}-4\r\nfine\r\n0\r\n\r\n`,
  'a chunk size beyond all numbers': `${chunks}fffffffffffffffff\r\nfine`,
  'a chunk size that ends in a bare LF': `${chunks}4\nfine\n0\n\n`,
  'a second chunk size of letters': `${chunks}4\r\nfine\r\nzz\r\n`,
  'a chunk that is longer than it says': `${chunks}4\r\nfineXX0\r\n\r\n`,
  'a trailer without a colon': `${chunks}4\r\nfine\r\n0\r\nbad trailer\r\n\r\n`,
  'a length among the trailers': `${chunks}4\r\nfine\r\n0\r\nContent-Length: 9\r\n\r\n`,
}

/** Odd, and understood all the same. */
const harmless: Record<string, { said: string; statuses: number[]; body: string }> = {
  'bytes behind its length': { said: `${fine}junk`, statuses: [200], body: 'fine' },
  'a second response behind its length': {
    said: `${fine}${fine.replace('fine', 'evil')}`,
    statuses: [200],
    body: 'fine',
  },
  '204 with a body': { said: 'HTTP/1.1 204 None\r\nContent-Length: 4\r\n\r\nfine', statuses: [204], body: '' },
  '204 with chunks': {
    said: 'HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n',
    statuses: [204],
    body: '',
  },
  '304 with a length': { said: 'HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n', statuses: [304], body: '' },
  'one cookie': { said: fine.replace('\r\n', '\r\nSet-Cookie: a=b\r\n'), statuses: [200], body: 'fine' },
  'two content types': {
    said: fine.replace('\r\n', '\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n'),
    statuses: [200],
    body: 'fine',
  },
  'a hint of several links': {
    said: `HTTP/1.1 103 Hints\r\nLink: </a.css>; rel=preload; as=style, </b.js>; rel=preload; as=script\r\n\r\n${fine}`,
    statuses: [103, 200],
    body: 'fine',
  },
  'an early 102': { said: `HTTP/1.1 102 Processing\r\n\r\n${fine}`, statuses: [102, 200], body: 'fine' },
  'an interim status nobody knows': { said: `HTTP/1.1 104 Hm\r\nX: 1\r\n\r\n${fine}`, statuses: [200], body: 'fine' },
  'no reason': { said: 'HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine', statuses: [200], body: 'fine' },
  'a reason in bytes': {
    said: 'HTTP/1.1 200 \xe9\xff\r\nContent-Length: 4\r\n\r\nfine',
    statuses: [200],
    body: 'fine',
  },
  '3,000 headers': { said: headed(`${'a:\r\n'.repeat(3_000)}Content-Length: 4`), statuses: [200], body: 'fine' },
  'empty lines before it': { said: `\r\n\r\n${fine}`, statuses: [200], body: 'fine' },
  'names that objects have': {
    said: headed('__proto__: x\r\nconstructor: y\r\nContent-Length: 4'),
    statuses: [200],
    body: 'fine',
  },
}

describe('an upstream that answers', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const routes = [{ path: '/api', upstream: raw.url, timeouts: { firstByte: 0.3, idle: 0.3 } }]
    world = await startWorld({ store: 'memory', hurried: true, bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const headers = { cookie: `bff=${browser.cookies.get('bff')?.value}`, 'x-csrf': '1', connection: 'close' }
    own = `Host: localhost\r\n${Object.entries(headers)
      .map((pair) => `${pair.join(': ')}\r\n`)
      .join('')}`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const ask = (method: string): Promise<Talk> =>
    talk(world.relay.port, `${method} /api/x HTTP/1.1\r\n${own}TE: trailers\r\n\r\n`)

  /** One request to an upstream that says just this, and one afterwards to an upstream in its right mind. */
  async function hears(method: string, said: string, closes = false): Promise<Talk> {
    raw.say((socket) => void (closes ? socket.end(said, 'latin1') : socket.write(said, 'latin1')))
    const asked = raw.log.length
    const answer = await ask(method)
    // Without a word from a connection that was kept, it may never have been heard (RFC 9112, section 9.3.1).
    const times = said === '' && method !== 'POST' ? 2 : 1
    assert.deepEqual(
      raw.log.slice(asked),
      Array.from({ length: times }, () => `${method} /x`),
    )
    raw.say((socket) => void socket.write(fine))
    const { statuses, text } = await ask('GET')
    assert.deepEqual([statuses, bodyOf(text)], [[200], 'fine'])
    assert.equal(world.nodes[0]?.bff.counts['request_broke'], undefined)
    return answer
  }

  for (const method of ['GET', 'HEAD', 'POST']) {
    for (const [name, said] of Object.entries(garbage)) {
      test(`${name} is as good as unreachable to a ${method}`, async () => {
        const { statuses, text } = await hears(method, said)
        assert.deepEqual(statuses, [502])
        assert.match(text, /^content-type: application\/problem\+json\r$/im)
        if (method !== 'HEAD') assert.equal(JSON.parse(bodyOf(text)).code, 'upstream_unreachable')
      })
    }
    for (const [name, said] of Object.entries(cutShort)) {
      test(`${name}, and closes, is as good as unreachable to a ${method}`, async () => {
        assert.deepEqual((await hears(method, said, true)).statuses, [502])
      })
    }
  }

  for (const [name, said] of Object.entries(brokenBodies)) {
    test(`${name} is heard as a response that breaks off`, async () => {
      assert.equal(isWhole((await hears('GET', said)).text), false)
    })
  }

  test('with a head and closes is heard as a response that breaks off, not as a connection that does', async () => {
    const { statuses, text } = await hears('GET', `${ok}Content-Length: 4\r\n\r\n`, true)
    assert.deepEqual([statuses, isWhole(text)], [[200], false])
  })

  for (const [name, { said, statuses, body }] of Object.entries(harmless)) {
    test(`${name} is understood`, async () => {
      const brokenOff = () => world.nodes[0]?.bff.counts['upstream_broke_off']
      const before = brokenOff()
      const answer = await hears('GET', said)
      assert.deepEqual([answer.statuses, bodyOf(answer.text)], [statuses, body])
      assert.equal(brokenOff(), before)
    })
  }

  for (const [coding, body] of Object.entries({ Chunked: '4\r\nfine\r\n0\r\n\r\n', identity: 'fine' })) {
    test(`a body in the coding ${coding} is understood`, async () => {
      const { text } = await hears('GET', `${ok}Transfer-Encoding: ${coding}\r\n\r\n${body}`, true)
      assert.match(text, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n4\r\nfine\r\n0\r\n\r\n$/)
    })
  }

  test('half a head and then nothing is too late', async () => {
    assert.deepEqual((await hears('GET', ok)).statuses, [504])
  })
})

function bodyOf(text: string): string {
  return text.slice(text.lastIndexOf('\r\n\r\n') + 4)
}
