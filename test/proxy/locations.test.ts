import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { type RawUpstream, startRawUpstream, talk } from './raw-peers.ts'

describe('a redirect by the upstream', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: `${raw.url}/v1` }] } })
    const browser = world.browser()
    await browser.login()
    own = `Host: localhost\r\nCookie: bff=${browser.cookies.get('bff')?.value}\r\nX-CSRF: 1\r\nConnection: close\r\n`
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  const answered = (head: string) => {
    raw.say((socket) => socket.end(`HTTP/1.1 302 Found\r\nContent-Length: 0\r\n${head}\r\n`, 'latin1'))
    return talk(world.relay.port, `GET /api/x HTTP/1.1\r\n${own}\r\n`)
  }

  const handedOn: Record<string, string> = {
    '/v1/new?x#y': '/api/new?x#y',
    '/v1': '/api',
    '/v2/else': '/v2/else',
    next: 'next',
    'https://elsewhere.example/v1/x': 'https://elsewhere.example/v1/x',
    '//elsewhere.example/v1/x': '//elsewhere.example/v1/x',
  }
  for (const [given, expected] of Object.entries(handedOn)) {
    test(`to ${given} is handed on as ${expected}, and not followed`, async () => {
      const { length } = raw.log
      const { text, statuses } = await answered(`Location: ${given}\r\n`)
      assert.deepEqual([statuses, locationIn(text)], [[302], expected])
      assert.equal(raw.log.length, length + 1)
    })
  }

  const bytes: Record<string, { given: () => string; expected: string }> = {
    'to a path in latin1': { given: () => '/v1/caf\xe9', expected: '/api/caf%E9' },
    'to a path in UTF-8': { given: () => '/v1/caf\xc3\xa9', expected: '/api/caf%C3%A9' },
    'to its own address in latin1': { given: () => `${raw.url}/v1/caf\xe9?\xfc`, expected: '/api/caf%E9?%FC' },
    'to elsewhere in latin1': {
      given: () => 'https://elsewhere.example/\xe9',
      expected: 'https://elsewhere.example/\xe9',
    },
    'to a relative path in latin1': { given: () => 'caf\xe9', expected: 'caf\xe9' },
    'to its own address beside its base path': { given: () => `${raw.url}/v2/\xe9?x#y`, expected: '/v2/%E9?x#y' },
    'to what would be a host without its own address': {
      given: () => `${raw.url}//evil.example/x`,
      expected: '/evil.example/x',
    },
    'to no URL at all': { given: () => 'http://\xe9:x/', expected: 'http://\xe9:x/' },
  }
  for (const [name, { given, expected }] of Object.entries(bytes)) {
    test(`${name} keeps its bytes`, async () => {
      const { text, statuses } = await answered(`Location: ${given()}\r\n`)
      assert.deepEqual([statuses, locationIn(text)], [[302], expected])
    })
  }

  test('to two places at once is a malformed answer, and neither is passed on', async () => {
    for (const second of [`${raw.url}/v1/b`, 'https://evil.example/', '/v1/a']) {
      const { text, statuses } = await answered(`Location: /v1/a\r\nlocation: ${second}\r\n`)
      assert.deepEqual(statuses, [502])
      assert.match(text, /"code":"upstream_unreachable"/)
      assert.doesNotMatch(text, /^location:/im)
    }
  })
})

const locationIn = (text: string) => /^location: (.*)\r$/im.exec(text)?.[1]
