import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { closeServer, listen } from '../../demo/listen.ts'
import { createCertificate } from '../support/certificate.ts'
import { rawRequest } from '../support/raw-request.ts'
import type { Echo } from '../support/upstream.ts'
import { startWorld } from '../support/world.ts'
import families from './payloads/header.json' with { type: 'json' }
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

describe('an upstream', () => {
  let user: UserOnHttps
  before(async () => {
    user = await startUserOnHttps()
  })
  after(() => user[Symbol.asyncDispose]())

  /** What arrives when these lines are sent as they are. */
  async function arriving(path: string, lines: readonly string[]): Promise<Map<string, string[]>> {
    const { hostname, port, host } = new URL(user.world.origin)
    const socket = connect({ host: '127.0.0.1', port: Number(port), servername: hostname })
    const own = [`Host: ${host}`, 'X-CSRF: 1', 'Connection: close', `Cookie: ${user.cookie}; theme=dark`]
    socket.write([`GET ${path} HTTP/1.1`, ...own, ...lines, '', ''].join('\r\n'))
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await once(socket, 'close')
    assert.match(text, /^HTTP\/1.1 200 /, lines.join())
    // Our upstream's echo.
    const { rawHeaders } = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Echo
    const pairs = rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? ''] as const] : [],
    )
    const byName = Map.groupBy(pairs, ([name]) => name)
    return new Map([...byName].map(([name, found]) => [name, found.map(([, value]) => value)]))
  }

  /** What only the proxy may say, whatever a client says. */
  function assertOurs(arrived: ReadonlyMap<string, readonly string[]>, said: string, token: boolean): void {
    const { host } = new URL(user.world.origin)
    assert.deepEqual(arrived.get('x-forwarded-for'), ['127.0.0.1'], said)
    assert.deepEqual(arrived.get('x-forwarded-proto'), ['https'], said)
    assert.deepEqual(arrived.get('x-forwarded-host'), [host], said)
    assert.equal(arrived.get('authorization')?.length ?? 0, token ? 1 : 0, said)
    for (const name of ['cookie', 'x-csrf', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'expect']) {
      assert.equal(arrived.get(name), undefined, `${name} after ${said}`)
    }
  }

  for (const [path, token] of [
    ['/api/x', true],
    ['/open/x', false],
  ] as const) {
    for (const [family, lines] of Object.entries(families)) {
      test(`P4: is told nothing by a client: ${family}, ${token ? 'with' : 'without'} a token`, async () => {
        const genuine = (await arriving(path, [])).get('authorization')
        for (const line of lines.filter((one) => !/^(Connection|Expect):/i.test(one))) {
          const arrived = await arriving(path, [line])
          assertOurs(arrived, line, token)
          assert.deepEqual(arrived.get('authorization'), genuine, line)
          const [name = '', value = ''] = line.toLowerCase().split(': ')
          const values = arrived.get(name)?.map((one) => one.toLowerCase()) ?? []
          assert.equal(values.includes(value), false, `${line} arrived`)
        }
      })
    }

    test(`P5: hears what we say, whatever Connection names, ${token ? 'with' : 'without'} a token`, async () => {
      const ours = [
        'authorization',
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-forwarded-host',
        'host',
        'content-length',
      ]
      for (const named of [...ours, ours.join(', '), ours.join(',').toUpperCase(), ' , authorization ,,']) {
        const arrived = await arriving(path, [`Connection: keep-alive, ${named}`])
        assertOurs(arrived, named, token)
        assert.equal(arrived.get('host')?.length, 1)
      }
      const named = await arriving(path, ['Connection: x-secret', 'X-Secret: for the first hop alone', 'X-Plain: kept'])
      assert.deepEqual([named.get('x-secret'), named.get('x-plain')], [undefined, ['kept']])
    })
  }

  test('P8: is told the address of the client, by us', async () => {
    assert.deepEqual((await arriving('/api/x', ['X-Forwarded-For: 6.6.6.6'])).get('x-forwarded-for'), ['127.0.0.1'])
  })

  test('P6: sets no cookie of ours, and its redirects are not followed', async () => {
    const { requests } = user.upstream
    user.upstream.onRequest((_request, response) => {
      response.setHeader('set-cookie', [
        '__Host-bff=x',
        '__Host-bff-logout=x',
        'bff=x',
        'theme=x',
        '__Host-bff=x; Path=/api',
      ])
      response.writeHead(302, { location: 'https://evil.example/' }).end()
      return true
    })
    const answer = await user.ask('GET', '/api/x', { cookie: user.cookie, 'x-csrf': '1' })
    user.upstream.onRequest(() => false)
    assert.deepEqual([answer.status, answer.headers.location], [302, 'https://evil.example/'])
    assert.equal(answer.headers['set-cookie'], undefined)
    assert.equal(user.upstream.requests, requests + 1)
  })

  test('P3: is asked by no method but those of its route, and never by TRACE or CONNECT', async () => {
    const routes = [{ path: '/api', upstream: user.upstream.url, methods: ['GET' as const] }]
    await using world = await startWorld({ store: 'memory', bff: { routes } })
    const browser = world.browser()
    await browser.login()
    const { requests } = user.upstream
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) {
      assert.equal((await browser.api('/api/x', { method })).status, 405, method)
    }
    for (const path of ['/api/x', '/open/x']) {
      assert.equal((await user.ask('TRACE', path, { cookie: user.cookie, 'x-csrf': '1' })).status, 405)
    }
    for (const target of ['/api/x', '/open/x', new URL(user.upstream.url).host]) {
      const headers = { cookie: user.cookie, 'x-csrf': '1' }
      assert.equal((await rawRequest(user.world.origin, 'CONNECT', target, headers)).status, 405)
    }
    assert.equal(user.upstream.requests, requests)
  })

  test('R15: is spoken to by TLS only if its certificate is trusted, and else sees no request', async () => {
    const certificate = createCertificate()
    const ca = join(await mkdtemp(join(tmpdir(), 'coatcheck-ca-')), 'ca.pem')
    await writeFile(ca, certificate.cert)
    let asked = 0
    const server = createServer(certificate, (_request, response) => {
      asked += 1
      response.end('{}')
    })
    const upstream = `https://localhost:${await listen(server, 0, '127.0.0.1')}`
    const routes = [
      { path: '/strange', upstream },
      { path: '/known', upstream, tls: { ca } },
    ]
    await using world = await startWorld({ store: 'memory', bff: { routes } })
    const browser = world.browser()
    await browser.login()
    assert.equal((await browser.api('/strange/x')).status, 502)
    assert.equal(asked, 0)
    assert.equal((await browser.api('/known/x')).status, 200)
    assert.equal(asked, 1)
    server.closeAllConnections()
    await closeServer(server)
  })
})
