import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { recordSecret } from '../support/secrets.ts'
import { type Echo, sha256 } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

describe('calling an API', () => {
  let world: World
  let browser: Browser
  let newestAccessToken = ''
  before(async () => {
    world = await startWorld({
      provider: {
        onToken({ kind, value }) {
          if (kind !== 'code') recordSecret(kind, value)
          if (kind === 'access_token') newestAccessToken = value
        },
      },
    })
    browser = world.browser()
    await browser.login()
  })
  after(() => world.close())

  const echo = async (path: string, init?: RequestInit): Promise<Echo> => {
    const response = await browser.api(path, init)
    assert.equal(response.status, 200)
    return response.json()
  }
  const sent = ({ rawHeaders }: Echo) =>
    rawHeaders.flatMap((item, i) => (i % 2 === 0 ? [[item.toLowerCase(), rawHeaders[i + 1] ?? ''] as const] : []))

  test('the upstream gets the access token, and the browser never sees it', async () => {
    const { authorizationSha256 } = await echo('/api/orders')
    assert.equal(authorizationSha256, sha256(`Bearer ${newestAccessToken}`))
  })

  test('path and query arrive byte for byte', async () => {
    const url = '/api/a%20b/%E2%82%AC;v=1?x=1&x=2&y=a+b%2Fc&z=//e'
    assert.equal((await echo(url)).url, url.slice('/api'.length))
  })

  test('a body arrives byte for byte', async () => {
    const body = Buffer.alloc(3_000_000, 'coat')
    const arrived = await echo('/api/upload', { method: 'POST', body })
    assert.deepEqual([arrived.method, arrived.bodyBytes, arrived.bodySha256], ['POST', body.length, sha256(body)])
  })

  test("the client's credentials, cookies and claims about itself do not arrive", async () => {
    const forged = {
      authorization: 'Bearer forged',
      dpop: 'forged',
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-user': 'root',
      forwarded: 'for=6.6.6.6',
      'x-real-ip': '6.6.6.6',
      'x-http-method-override': 'DELETE',
      x_forwarded_for: '6.6.6.6',
      'x-plain': 'kept',
    }
    const headers = sent(await echo('/api/x', { headers: forged }))
    const values = (name: string) => headers.filter(([n]) => n === name).map(([, value]) => value)
    assert.deepEqual(values('authorization'), [sha256(`Bearer ${newestAccessToken}`)])
    assert.deepEqual(values('x-forwarded-for'), ['127.0.0.1'])
    assert.deepEqual(values('x-forwarded-proto'), ['http'])
    assert.deepEqual(values('x-forwarded-host'), [new URL(world.origin).host])
    assert.deepEqual(values('x-plain'), ['kept'])
    for (const name of [
      'cookie',
      'x-csrf',
      'dpop',
      'forwarded',
      'x-real-ip',
      'x-forwarded-user',
      'x-http-method-override',
      'x_forwarded_for',
    ]) {
      assert.deepEqual(values(name), [], name)
    }
  })

  test('a proxy that is trusted names the clients before it, and nobody else does', async () => {
    for (const [trustProxy, expected] of [
      ['loopback', '9.9.9.9, 127.0.0.1'],
      ['10.0.0.0/8', '127.0.0.1'],
      [1, '9.9.9.9, 127.0.0.1'],
    ] as const) {
      await using other = await startWorld({ store: 'memory', bff: { trustProxy } })
      const user = other.browser()
      await user.login()
      const response = await user.api('/api/x', {
        headers: { 'x-forwarded-for': '9.9.9.9', 'x-forwarded-proto': 'https' },
      })
      const headers = new Map(sent(await response.json()))
      assert.deepEqual([headers.get('x-forwarded-for'), headers.get('x-forwarded-proto')], [expected, 'http'])
    }
  })

  test('an upstream cannot set cookies, and its answer is private', async () => {
    world.upstream.onRequest((_request, response) => {
      response.setHeader('set-cookie', ['bff=stolen; Path=/', 'x=y'])
      response.setHeader('access-control-allow-origin', '*')
      response.setHeader('cache-control', 'public, s-maxage=600')
      response.setHeader('www-authenticate', 'Basic')
      response.statusCode = 401
      response.end('{}')
      return true
    })
    const response = await browser.api('/api/x')
    world.upstream.onRequest(() => false)
    assert.equal(response.status, 401)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(response.headers.get('access-control-allow-origin'), null)
    assert.equal(response.headers.get('www-authenticate'), null)
    assert.equal(response.headers.get('cache-control'), 'private, no-store')
  })

  test('a response comes as it is made, not when it is finished', async () => {
    const proceed = Promise.withResolvers<void>()
    world.upstream.onRequest(async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: one\n\n')
      await proceed.promise
      response.end('data: two\n\n')
      return true
    })
    const response = await browser.api('/api/events')
    world.upstream.onRequest(() => false)
    const reader = response.body?.getReader()
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: one\n\n')
    proceed.resolve()
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: two\n\n')
  })

  test('a client that leaves takes its upstream request along', async () => {
    const gone = Promise.withResolvers<void>()
    world.upstream.onRequest((_request, response) => {
      response.write('begun')
      response.once('close', gone.resolve)
      return true
    })
    const leave = new AbortController()
    await browser.api('/api/long', { signal: leave.signal })
    world.upstream.onRequest(() => false)
    leave.abort()
    await gone.promise
  })

  test('a truncated response is visibly broken', async () => {
    world.upstream.onRequest((_request, response) => {
      response.writeHead(200, { 'content-length': 10 })
      response.write('half', () => response.destroy())
      return true
    })
    const response = await browser.api('/api/x')
    world.upstream.onRequest(() => false)
    await assert.rejects(response.text())
  })

  test('an upstream that is away is 502, and the session lives', async () => {
    const routes = [{ path: '/api', upstream: `http://127.0.0.1:${await freePort()}` }]
    await using other = await startWorld({ bff: { routes } })
    const user = other.browser()
    await user.login()
    const response = await user.api('/api/x')
    assert.equal(response.status, 502)
    assert.equal((await response.json()).code, 'upstream_unreachable')
    assert.equal((await user.api('/bff/user')).status, 200)
  })

  test('without a session it is 401 for everything, never a redirect, and the upstream is not asked', async () => {
    const { requests } = world.upstream
    for (const [method, accept] of [
      ['GET', 'application/json'],
      ['GET', 'text/html'],
      ['POST', '*/*'],
    ] as const) {
      const response = await world.browser().api('/api/x', { method, headers: { accept } })
      assert.equal(response.status, 401)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal((await response.json()).code, 'no_session')
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
    assert.equal(world.upstream.requests, requests)
  })

  test('a forged or tampered cookie is nobody', async () => {
    const genuine = browser.cookies.get('bff')?.value ?? ''
    const id = decodeURIComponent(genuine).slice(2).split('.')[0] ?? ''
    const forged = [
      '',
      'x',
      's:',
      's:.',
      `s:${id}`,
      `s:${id}.`,
      `s:${id}.AAAA`,
      `${genuine}x`,
      genuine.slice(0, -4),
      `s%3A${id}.%`,
      '%',
      '__proto__',
      'j:{}',
    ]
    for (const value of forged) {
      for (const path of ['/api/x', '/bff/user']) {
        const response = await fetch(world.origin + path, { headers: { 'x-csrf': '1', cookie: `bff=${value}` } })
        assert.equal(response.status, 401, `${path} with ${value}`)
        assert.deepEqual(response.headers.getSetCookie(), [])
      }
    }
  })

  test('two cookies of our name are bad_request, in either order', async () => {
    const genuine = `bff=${browser.cookies.get('bff')?.value}`
    for (const cookie of [`bff=planted; ${genuine}`, `${genuine}; bff=planted`, `${genuine}; ${genuine}`]) {
      for (const path of ['/api/x', '/bff/user', '/bff/login', '/bff/callback', '/bff/logout']) {
        const response = await fetch(world.origin + path, { headers: { 'x-csrf': '1', cookie }, redirect: 'manual' })
        assert.equal(response.status, 400, path)
        assert.equal((await response.json()).code, 'bad_request')
      }
    }
  })

  test('a call without the anti-forgery header does nothing', async () => {
    const { requests } = world.upstream
    const cases: Record<string, string>[] = [
      {},
      { 'x-csrf': '0' },
      { 'x-csrf': '1', 'sec-fetch-site': 'same-site' },
      { 'x-csrf': '1', 'sec-fetch-site': 'cross-site' },
      { 'x-csrf': '1', origin: 'null' },
      { 'x-csrf': '1', origin: 'http://localhost:1' },
      { 'x-csrf': '1', origin: `${world.origin}, ${world.origin}` },
      { accept: 'text/event-stream' },
      { accept: 'text/event-stream', 'sec-fetch-site': 'cross-site' },
    ]
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    for (const headers of cases) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const response = await fetch(`${world.origin}/api/x`, { method, headers: { ...headers, cookie } })
        assert.equal(response.status, 403, JSON.stringify(headers))
        assert.equal((await response.json()).code, 'anti_forgery')
        assert.equal(response.headers.get('access-control-allow-origin'), null)
      }
    }
    assert.equal(world.upstream.requests, requests)
  })

  test('an EventSource needs no header where the browser says the request is our own', async () => {
    const headers = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }
    assert.equal((await browser.request('/api/events', { headers })).status, 200)
    assert.equal((await browser.request('/api/events', { headers, method: 'POST' })).status, 403)
  })

  test('on a route with fetch-metadata no request needs the header where the browser says it is our own', async () => {
    const routes = [{ path: '/api', upstream: world.upstream.url, antiForgery: 'fetch-metadata' as const }]
    await using other = await startWorld({ bff: { routes } })
    const user = other.browser()
    await user.login()
    const status = async (headers: Record<string, string>) =>
      (await user.request('/api/form', { method: 'POST', headers })).status
    assert.equal(await status({ 'sec-fetch-site': 'same-origin' }), 200)
    assert.equal(await status({ 'sec-fetch-site': 'same-site' }), 403)
    assert.equal(await status({ 'sec-fetch-site': 'none' }), 403)
    assert.equal(await status({ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }), 403)
  })

  test('an upstream that answers early does not hold up the connection, nor the end of the server', async () => {
    await using other = await startWorld()
    const user = other.browser()
    await user.login()
    other.upstream.onRequest((_request, response) => {
      response.writeHead(413).end('too large')
      return true
    })
    const early = await user.api('/api/upload', { method: 'POST', body: Buffer.alloc(5_000_000) }).catch(() => null)
    assert.ok(early === null || early.status === 413 || early.status === 502)
    await early?.body?.cancel()
    other.upstream.onRequest(() => false)
    assert.equal((await user.api('/api/x')).status, 200)
    const began = performance.now()
    await other.nodes[0]?.bff.close()
    assert.ok(performance.now() - began < 5_000)
  })
})
