import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { openLine, type RawUpstream, startRawUpstream, talk } from './raw-peers.ts'

describe('what an upstream says in its headers', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  let logOut: () => Promise<Response>
  before(async () => {
    raw = await startRawUpstream()
    world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: `${raw.url}/v1` }] } })
    const browser = world.browser()
    await browser.login()
    own = `Host: localhost\r\nCookie: bff=${browser.cookies.get('bff')?.value}\r\nX-CSRF: 1\r\n`
    logOut = () => browser.api('/bff/logout', { method: 'POST' })
  })
  after(async () => {
    await world.close()
    await raw[Symbol.asyncDispose]()
  })

  /** The values of a header that the browser gets when the upstream says these. */
  async function passed(name: string, said: string): Promise<string[]> {
    raw.say((socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${said}\r\n\r\n`))
    const { text } = await talk(world.relay.port, `GET /api/x HTTP/1.1\r\n${own}Connection: close\r\n\r\n`)
    return [...text.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map((match) => match[1] ?? '')
  }

  const stands = ['private', 'no-store', 'PRIVATE', 'max-age=60, private', 'x="a, b",no-store , no-transform']
  const notEnough = ['', 'public', 'no-cache', 's-maxage=60', 'privately', 'x-private', 'private-ish', 'no-store=1']
  const onlyInPart = [
    'max-age=60, private="set-cookie"',
    'x="a, private"',
    'public, x=" no-store "',
    'x="',
    'private="',
  ]
  for (const cache of stands) {
    test(`Cache-Control: ${cache} stands`, async () => {
      assert.deepEqual(await passed('cache-control', `Cache-Control: ${cache}`), [cache])
    })
  }
  for (const cache of [...notEnough, ...onlyInPart]) {
    test(`Cache-Control: ${cache} is replaced: anybody might keep it`, async () => {
      assert.deepEqual(await passed('cache-control', `Cache-Control: ${cache}`), ['private, no-store'])
    })
  }

  for (const said of [
    'CDN-Cache-Control: max-age=60',
    'Example-CDN-Cache-Control: max-age=60',
    'Surrogate-Control: max-age=60',
    'X-Accel-Expires: 60',
    'X-Accel-Redirect: /internal',
    'Strict-Transport-Security: max-age=0',
    'Alt-Svc: h3=":443"',
  ]) {
    test(`${said} is for nobody on our side`, async () => {
      assert.deepEqual(await passed(said.split(':', 1)[0] ?? '', said), [])
    })
  }

  test('a stream of events ends with its session however its type is spelt', async () => {
    raw.say((socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\n\r\ndata: one\n\n'))
    const line = await openLine(world.relay.port)
    line.socket.write(`GET /api/x HTTP/1.1\r\n${own}\r\n`)
    await line.until('data: one')
    assert.equal((await logOut()).status, 200)
    await line.until('\r\n0\r\n\r\n')
    line.socket.destroy()
  })
})
