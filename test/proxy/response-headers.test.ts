import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { fine, openLine, type RawUpstream, startRawUpstream, talk } from './raw-peers.ts'

describe('what an upstream says in its headers', { concurrency: false }, () => {
  let raw: RawUpstream
  let world: World
  let own: string
  let logOut: () => Promise<Response>
  before(async () => {
    raw = await startRawUpstream()
    const responseHeaders = { set: { 'x-set': 'ours' }, remove: ['x-internal'] }
    const routes = [{ path: '/api', upstream: `${raw.url}/v1`, responseHeaders }]
    world = await startWorld({ store: 'memory', bff: { routes } })
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
    assert.match(text, /^HTTP\/1\.1 200 /)
    return [...text.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map((match) => match[1] ?? '')
  }

  const stands = ['private', 'no-store', 'PRIVATE', 'max-age=60, private', 'x="a, b",no-store , no-transform']
  const notEnough = ['', 'public', 'no-cache', 's-maxage=60', 'privately', 'x-private', 'private-ish', 'no-store=1']
  const onlyInPart = [
    'max-age=60, private="set-cookie"',
    'x="a, private"',
    'x=", private, "',
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
    'Edge-Control: max-age=60',
    'X-Accel-Expires: 60',
    'X-Sendfile: /etc/passwd',
    'Set-Cookie2: bff=x',
    'Clear-Site-Data: "*"',
    'X-Powered-By: secret',
    'X-Accel-Redirect: /internal',
    'Strict-Transport-Security: max-age=0',
    'Alt-Svc: h3=":443"',
    'NEL: {"report_to":"theirs","max_age":9999,"success_fraction":1}',
    'Report-To: {"group":"theirs","max_age":9999,"endpoints":[{"url":"https://evil.example"}]}',
    'Service-Worker-Allowed: /',
    'Secure-Session-Registration: (ES256);path="/api/start"',
    'Authorization: Bearer of-the-upstream',
  ]) {
    test(`${said} is for nobody on our side`, async () => {
      assert.deepEqual(await passed(said.split(':', 1)[0] ?? '', said), [])
    })
  }

  const ofItsConnection = 'Keep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nTrailer: x-late\r\nUpgrade: h2c\r\n'
  const inOurName = 'Server: evil\r\nWWW-Authenticate: Basic\r\nAccess-Control-Allow-Origin: *\r\nSet-Cookie: bff=x\r\n'
  const configured = 'X-Internal: secret\r\nX-Set: theirs\r\n'

  test('what it says of its own connection, what is not its to say, and what the route removes stays behind', async () => {
    const said = `${ofItsConnection}${inOurName}${configured}Connection: x-named\r\nX-Named: 1\r\nX-Plain: kept\r\n`
    raw.say((socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${said}\r\n`))
    const { text } = await talk(world.relay.port, `GET /api/x HTTP/1.1\r\n${own}Connection: close\r\n\r\n`)
    const names = [...text.matchAll(/^([\w-]+):/gim)].map(([, name]) => name?.toLowerCase() ?? '')
    for (const line of (said.match(/^[\w-]+(?=:)/gm) ?? []).map((name) => name.toLowerCase())) {
      assert.equal(names.includes(line), ['connection', 'x-plain', 'x-set'].includes(line), line)
    }
    assert.match(text, /^connection: close\r$/im)
    assert.match(text, /^x-set: ours\r$/im)
  })

  test('the length of a 204 does not pass, that of a 304 or of an answer to HEAD does', async () => {
    for (const [method, status, expected] of [
      ['GET', 204, []],
      ['GET', 304, ['40']],
      ['HEAD', 200, ['40']],
    ] as const) {
      raw.say((socket) => socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 40\r\n\r\n`))
      const line = await openLine(world.relay.port)
      line.socket.write(`${method} /api/x HTTP/1.1\r\n${own}\r\n`)
      await line.until('\r\n\r\n')
      // The connection is good for another.
      raw.say((socket) => socket.end(fine))
      line.socket.write(`GET /api/x HTTP/1.1\r\n${own}Connection: close\r\n\r\n`)
      await line.closed()
      const [first = '', second = ''] = line.text.split(/(?<=\r\n\r\n)(?=HTTP)/)
      assert.match(first, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.deepEqual(
        [...first.matchAll(/^content-length: (.*)\r$/gim)].map(([, length]) => length),
        expected,
      )
      assert.match(second, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nfine$/)
    }
  })

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
