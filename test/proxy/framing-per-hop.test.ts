import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Echo } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'
import { openLine, signInLines, talk } from './raw-peers.ts'

describe('what a client says to its own connection', { concurrency: false }, () => {
  let world: World
  let own: string
  before(async () => {
    world = await startWorld({ store: 'memory' })
    own = `Host: localhost:${world.relay.port}\r\n${await signInLines(world)}`
  })
  after(() => world.close())

  /** What the upstream says of the request that these headers make. */
  async function echo(headers: string, body = ''): Promise<{ echo: Echo; names: string[]; statuses: number[] }> {
    const lines = /^connection:/im.test(headers) ? headers : `${headers}Connection: close\r\n`
    const line = await openLine(world.relay.port)
    line.socket.write(`POST /api/x HTTP/1.1\r\n${own}${lines}\r\n${body}`)
    await line.until('"bodyBytes"')
    line.socket.destroy()
    const statuses = [...line.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
    const said: Echo = JSON.parse(line.text.slice(line.text.indexOf('{'), line.text.lastIndexOf('}') + 1))
    return {
      echo: said,
      names: said.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()),
      statuses,
    }
  }

  for (const value of ['x', '"cookie "', 'content-length, transfer-encoding', ',']) {
    test(`Trailer: ${value} two hundred times is served two hundred times`, async () => {
      for (let i = 0; i < 200; i += 1) {
        const get = `GET /api/x HTTP/1.1\r\n${own}Connection: close\r\nTrailer: ${value}\r\n\r\n`
        assert.deepEqual((await talk(world.relay.port, get)).statuses, [200])
      }
      assert.equal((await echo(`Trailer: ${value}\r\n`)).names.includes('trailer'), false)
    })
  }

  test('trailers of a request are not passed on', async () => {
    const body = '5\r\nhello\r\n0\r\nX-Late: 1\r\nAuthorization: Bearer forged\r\n\r\n'
    const said = await echo('Trailer: x-late\r\nTransfer-Encoding: chunked\r\n', body)
    assert.deepEqual([said.statuses, said.echo.bodyBytes, said.names.includes('x-late')], [[200], 5, false])
  })

  test('Expect, however it is spelt, is answered here and not passed on', async () => {
    for (const expect of ['100-continue', '100-Continue', 'y 100-continue']) {
      const said = await echo(`Expect: ${expect}\r\nContent-Length: 5\r\n`, 'hello')
      assert.deepEqual([said.statuses, said.echo.bodyBytes], [[100, 200], 5])
      assert.equal(said.names.includes('expect'), false)
    }
  })

  test('an expectation of anything else fails, and the upstream is not asked', async () => {
    const { requests } = world.upstream
    const post = `POST /api/x HTTP/1.1\r\n${own}Connection: close\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n`
    assert.deepEqual((await talk(world.relay.port, post)).statuses, [417])
    assert.equal(world.upstream.requests, requests)
  })

  for (const body of ['', 'hello']) {
    test(`an upgrade to h2c ${body === '' ? 'without' : 'with'} a body is served as HTTP/1.1, and the next request too`, async () => {
      const line = await openLine(world.relay.port)
      const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
      line.socket.write(`POST /api/x HTTP/1.1\r\n${own}${upgrade}Content-Length: ${body.length}\r\n\r\n${body}`)
      await line.until('"bodyBytes"')
      assert.match(line.text, /^HTTP\/1\.1 200 OK\r\n/)
      assert.match(line.text, new RegExp(`"bodyBytes":${body.length}`))
      assert.doesNotMatch(line.text, /h2c|http2-settings/i)
      assert.deepEqual(
        (await talk(world.relay.port, `GET /api/next HTTP/1.1\r\n${own}Connection: close\r\n\r\n`)).statuses,
        [200],
      )
      line.socket.destroy()
    })
  }

  test('Connection takes away none of the headers that we add', async () => {
    const named = 'authorization, x-forwarded-for, x-forwarded-proto, x-forwarded-host, content-length, host, cookie'
    const plain = await echo('Content-Length: 5\r\n', 'hello')
    const said = await echo(`Connection: close, transfer-encoding, ${named}\r\nContent-Length: 5\r\n`, 'hello')
    assert.equal(said.echo.bodyBytes, 5)
    assert.equal(said.echo.authorizationSha256, plain.echo.authorizationSha256)
    assert.notEqual(said.echo.authorizationSha256, null)
    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'host']) {
      assert.equal(said.names.filter((other) => other === name).length, 1, name)
    }
    assert.equal(said.names.includes('cookie'), false)
  })

  test('Connection takes chunks from no body that comes in them', async () => {
    const said = await echo(
      'Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    )
    assert.deepEqual([said.statuses, said.echo.bodyBytes], [[200], 5])
  })

  test('headers of the connection, and those it names, stay on it', async () => {
    const said = await echo(
      'Connection: close, x-drop\r\nX-Drop: 1\r\nTE: trailers\r\nKeep-Alive: timeout=9\r\nProxy-Authorization: Basic eA==\r\n' +
        'Proxy-Connection: keep-alive\r\nUpgrade: foo\r\nX-Stays: 1\r\n',
    )
    const passed = ['x-drop', 'te', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'upgrade', 'x-stays']
    assert.deepEqual(
      passed.filter((name) => said.names.includes(name)),
      ['x-stays'],
    )
  })
})
