import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { BffOptions } from '../../src/index.ts'
import type { Browser } from '../support/browser.ts'
import { type Echo, sha256, startUpstream, type Upstream } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

/** A route under test: its path is its name. */
type Routes = Record<string, Partial<BffOptions['routes'][number]>>

describe('a route', { concurrency: false }, () => {
  let upstream: Upstream
  let world: World
  let browser: Browser
  before(async () => {
    upstream = await startUpstream()
    const routes: Routes = {
      open: { token: 'none' },
      either: { token: 'optional' },
      granted: { scope: 'api:read' },
      lacking: { scope: 'api:read admin' },
      cookies: { forwardCookies: ['theme', 'bff'], responseCookies: ['theme', 'bff', 'bff-logout'] },
      headers: {
        requestHeaders: { set: { 'X-Tenant': 'one' }, remove: ['x-secret'] },
        responseHeaders: { set: { 'x-frame-options': 'DENY' }, remove: ['x-internal'] },
      },
      small: { maxBodyBytes: 1000 },
      hasty: { timeouts: { firstByte: 0.2 } },
      stalls: { timeouts: { idle: 0.2 } },
    }
    world = await startWorld({
      store: 'memory',
      bff: {
        routes: Object.entries(routes).map(([name, more]) => ({ path: `/${name}`, upstream: upstream.url, ...more })),
      },
    })
    browser = world.browser()
    await browser.login()
  })
  after(async () => {
    await world.close()
    await upstream.close()
  })

  const echo = async (path: string, init?: RequestInit, who = browser): Promise<Echo> => {
    const response = await who.api(path, init)
    assert.equal(response.status, 200)
    return response.json()
  }
  const valuesOf = ({ rawHeaders }: Echo, name: string) =>
    rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
  const problem = async (response: Response) => [response.status, (await response.json()).code]

  test('without a token needs no session, and sends none', async () => {
    assert.equal((await echo('/open/x', {}, world.browser())).authorizationSha256, null)
    assert.equal((await echo('/open/x')).authorizationSha256, null)
    const forged = await echo('/open/x', { headers: { authorization: 'Bearer forged' } })
    assert.equal(forged.authorizationSha256, null)
  })

  test('with an optional token sends the one there is', async () => {
    assert.equal((await echo('/either/x', {}, world.browser())).authorizationSha256, null)
    assert.notEqual((await echo('/either/x')).authorizationSha256, null)
  })

  test('with an optional token serves those whose session is over, without', async () => {
    const user = world.browser()
    await user.login()
    const cookie = `bff=${user.cookies.get('bff')?.value}`
    assert.equal((await user.api('/bff/logout', { method: 'POST' })).status, 200)
    const response = await fetch(`${world.origin}/either/x`, { headers: { cookie, 'x-csrf': '1' } })
    assert.equal(response.status, 200)
    assert.equal((await response.json()).authorizationSha256, null)
  })

  test('with a scope serves those who have been granted it', async () => {
    assert.equal((await browser.api('/granted/x')).status, 200)
    const { requests } = upstream
    assert.deepEqual(await problem(await browser.api('/lacking/x')), [403, 'insufficient_scope'])
    assert.equal(upstream.requests, requests)
  })

  test('passes the cookies it names, and ours never', async () => {
    browser.setCookie('theme', 'dark')
    browser.setCookie('other', 'x')
    const [sent] = valuesOf(await echo('/cookies/x'), 'cookie')
    assert.equal(sent, sha256('theme=dark'))
    upstream.onRequest((_request, response) => {
      response.setHeader('set-cookie', [
        'theme=light; Path=/',
        'bff=stolen',
        'bff-logout=x',
        'other=y',
        'themes',
        'theme',
        '=theme',
        'theme =dim',
      ])
      response.end()
      return true
    })
    const response = await browser.api('/cookies/x')
    upstream.onRequest(() => false)
    assert.deepEqual(response.headers.getSetCookie(), ['theme=light; Path=/', 'theme =dim'])
  })

  test('sets and removes headers both ways', async () => {
    const sent = await echo('/headers/x', { headers: { 'x-secret': 's', 'x-tenant': 'forged' } })
    assert.deepEqual([valuesOf(sent, 'x-secret'), valuesOf(sent, 'x-tenant')], [[], ['one']])
    upstream.onRequest((_request, response) => {
      response.setHeader('x-internal', 'secret').setHeader('x-frame-options', 'ALLOW').end()
      return true
    })
    const { headers } = await browser.api('/headers/x')
    upstream.onRequest(() => false)
    assert.deepEqual([headers.get('x-internal'), headers.get('x-frame-options')], [null, 'DENY'])
  })

  test('refuses a body that is too long, whether or not it says so', async () => {
    assert.equal((await echo('/small/x', { method: 'POST', body: 'x'.repeat(1000) })).bodyBytes, 1000)
    const said = await browser.api('/small/x', { method: 'POST', body: 'x'.repeat(1001) })
    assert.deepEqual(await problem(said), [413, 'payload_too_large'])
    const { status } = await chunked('/small/x', ['x'.repeat(600), 'x'.repeat(600)])
    assert.equal(status, 413)
    assert.equal((await chunked('/small/x', ['x'.repeat(400), 'x'.repeat(600)])).status, 200)
  })

  test('answers 504 when the first byte does not come in time', async () => {
    upstream.onRequest(() => true)
    const response = await browser.api('/hasty/x')
    upstream.onRequest(() => false)
    assert.deepEqual(await problem(response), [504, 'upstream_timeout'])
  })

  test('breaks off a body that stalls', async () => {
    upstream.onRequest((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write('begun')
      return true
    })
    await assert.rejects((await browser.api('/stalls/x')).text())
    upstream.onRequest(() => false)
  })

  test('passes early hints and trailers to those who understand them', async () => {
    upstream.onRequest((_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      response.writeHead(200, { trailer: 'x-checksum' }).write('body')
      response.addTrailers({ 'x-checksum': '42', 'set-cookie': 'bff=stolen' })
      response.end()
      return true
    })
    const answer = await chunked('/open/x', [], { te: 'trailers' })
    upstream.onRequest(() => false)
    assert.deepEqual(
      [answer.status, answer.hints, answer.trailers],
      [200, ['</style.css>; rel=preload'], { 'x-checksum': '42' }],
    )
  })

  /** A request by `node:http`, which can do what `fetch` cannot. */
  function chunked(path: string, chunks: readonly string[], headers: Record<string, string> = {}) {
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const method = chunks.length > 0 ? 'POST' : 'GET'
    const answer = Promise.withResolvers<{ status: number; hints: unknown[]; trailers: object }>()
    const hints: unknown[] = []
    const request = httpRequest(world.origin + path, { method, headers: { cookie, 'x-csrf': '1', ...headers } })
    request.on('information', (info) => hints.push(info.headers['link']))
    request.on('response', (response) => {
      response.resume().on('end', () => {
        answer.resolve({ status: response.statusCode ?? 0, hints, trailers: response.trailers })
      })
    })
    request.on('error', answer.reject)
    for (const chunk of chunks) request.write(chunk)
    request.end()
    return answer.promise
  }
})
