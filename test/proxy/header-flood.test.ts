import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { signInLines, type Talk, talk } from './raw-peers.ts'

describe('a flood of headers', { concurrency: false }, () => {
  let world: World
  let own: string
  before(async () => {
    world = await startWorld({ store: 'memory' })
    own = await signInLines(world)
  })
  after(() => world.close())

  const post = (headers: string, target = '/api/x', body = ''): Promise<Talk> => {
    const first = `Host: localhost:${world.relay.port}\r\nConnection: close\r\n`
    return talk(world.relay.port, `POST ${target} HTTP/1.1\r\n${first}${headers}\r\n${body}`)
  }
  const small = (count: number) => 'a:\r\n'.repeat(count)

  const tooLarge: Record<string, (own: string) => readonly [headers: string, target?: string]> = {
    'one header of 17 KB': (own) => [`${own}X: ${'x'.repeat(17_000)}\r\n`],
    'a cookie of 17 KB': (own) => [`${own}Cookie: x=${'x'.repeat(17_000)}\r\n`],
    '17 KB of headers': (own) => [own + `X-Filler: ${'x'.repeat(30)}\r\n`.repeat(500)],
    'a name of 17 KB': (own) => [`${own}${'x'.repeat(17_000)}: 1\r\n`],
    'a target of 17 KB': (own) => [own, `/api/x?${'x'.repeat(17_000)}`],
  }
  for (const [name, request] of Object.entries(tooLarge)) {
    test(`${name} is answered 431 with problem details, and the connection closes`, async () => {
      const { requests } = world.upstream
      const { statuses, text } = await post(...request(own))
      assert.deepEqual(statuses, [431])
      assert.match(text, /^content-type: application\/problem\+json\r$/im)
      assert.match(text, /"code":"headers_too_large"/)
      assert.equal(world.upstream.requests, requests)
    })
  }

  test('15 KB of headers are not one yet', async () => {
    assert.deepEqual((await post(`${own}X: ${'x'.repeat(15_000)}\r\n`)).statuses, [200])
  })

  // A header that vanished would make each of these pass, or pass for something else.
  const last: Record<string, { headers: string; body?: string }> = {
    'an Origin elsewhere': { headers: 'Origin: https://evil.example\r\n' },
    'a Sec-Fetch-Site elsewhere': { headers: 'Sec-Fetch-Site: cross-site\r\n' },
    'a second session cookie': { headers: 'Cookie: bff=planted\r\n' },
    'a length': { headers: 'Content-Length: 5\r\n', body: 'hello' },
    chunks: { headers: 'Transfer-Encoding: chunked\r\n', body: '5\r\nhello\r\n0\r\n\r\n' },
    'a second length': { headers: 'Content-Length: 5\r\nContent-Length: 0\r\n', body: 'hello' },
  }
  for (const count of [1_100, 2_100, 3_500]) {
    for (const [name, { headers, body }] of Object.entries(last)) {
      test(`${name} behind ${count} headers is not overlooked`, async () => {
        const { requests } = world.upstream
        const { statuses, text } = await post(own + small(count) + headers, '/api/x', body)
        assert.equal(statuses.length, 1)
        assert.ok([400, 403, 431].includes(statuses[0] ?? 0), text)
        assert.match(text, /^content-type: application\/problem\+json\r$/im)
        assert.equal(world.upstream.requests, requests)
      })
    }

    test(`cookie and anti-forgery header behind ${count} headers count, or nothing does`, async () => {
      const { requests } = world.upstream
      assert.deepEqual((await post(small(count) + own)).statuses, [431])
      assert.equal(world.upstream.requests, requests)
    })
  }

  test('an Origin behind 900 headers is seen', async () => {
    const { requests } = world.upstream
    assert.deepEqual((await post(`${own}${small(900)}Origin: https://evil.example\r\n`)).statuses, [403])
    assert.equal(world.upstream.requests, requests)
  })

  test('900 headers all pass', async () => {
    const { statuses, text } = await post(own + small(900))
    assert.deepEqual([statuses, text.match(/"a",""/g)?.length], [[200], 900])
  })

  test('two hundred floods at once leave room for the next request', async () => {
    const floods = Array.from({ length: 200 }, (_, i) => post(own + (i % 2 === 0 ? small(2_100) : small(5_000))))
    for (const { statuses } of await Promise.all(floods)) assert.deepEqual(statuses, [431])
    assert.deepEqual((await post(own)).statuses, [200])
  })
})
