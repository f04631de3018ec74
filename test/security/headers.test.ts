import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

const inline = "document.documentElement.dataset['theme'] = 'dark'"
const hash = `'sha256-${createHash('sha256').update(inline).digest('base64')}'`
const document = `<!doctype html><title>app</title><script>${inline}</script><script type="module" src="/app.js"></script>`

/** What every answer of ours says, whatever its kind. */
const always = {
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

const spaPolicy = (scripts: string) =>
  `default-src 'self'; script-src 'self'${scripts}; style-src 'self'; img-src 'self' data: blob: https:; ` +
  "font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'; " +
  "frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

const spaHeaders = {
  ...always,
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin-allow-popups',
  'referrer-policy': 'same-origin',
}

const endpointHeaders = {
  ...always,
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'sha256-*'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
}

const proxiedHeaders = {
  'cache-control': 'private, no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

/** Without what is about the one answer or the one connection; our own style sheet's hash by a star. */
function policyHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const others =
    /^(date|connection|keep-alive|content-length|content-type|transfer-encoding|etag|last-modified|accept-ranges|vary|location|set-cookie|allow)$/
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !others.test(name))
      .map(([name, value]) => [name, String(value).replace(/(style-src 'sha256-)[^']+'/, "$1*'")]),
  )
}

describe('the headers of', () => {
  let user: UserOnHttps
  before(async () => {
    const spa = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    await writeFile(join(spa, 'index.html'), document)
    await writeFile(join(spa, 'app.js'), 'export {}')
    user = await startUserOnHttps({ spa })
  })
  after(() => user[Symbol.asyncDispose]())

  const asPerson = { accept: 'text/html' }
  const asScript = { 'x-csrf': '1' }
  const kinds: [
    what: string,
    asked: [method: string, path: string, headers: object],
    status: number,
    expected: object,
  ][] = [
    [
      "the SPA's document",
      ['GET', '/', asPerson],
      200,
      { ...spaHeaders, 'content-security-policy': spaPolicy(` ${hash}`) },
    ],
    [
      "the SPA's document at a path of its own",
      ['GET', '/orders/7', asPerson],
      200,
      { ...spaHeaders, 'content-security-policy': spaPolicy(` ${hash}`) },
    ],
    ['a file of the SPA', ['GET', '/app.js', {}], 200, { ...spaHeaders, 'content-security-policy': spaPolicy('') }],
    ['a file that is not there', ['GET', '/missing.js', {}], 404, endpointHeaders],
    ['who is logged in', ['GET', '/bff/user', asScript], 200, endpointHeaders],
    ['a redirect to the provider', ['GET', '/bff/login', asPerson], 302, endpointHeaders],
    ['the error page', ['GET', '/bff/callback?state=x&error=x', asPerson], 400, endpointHeaders],
    ['a refused logout', ['GET', '/bff/logout?sid=x', asPerson], 403, endpointHeaders],
    ['a path that is nothing', ['GET', '/bff/nothing', asScript], 404, endpointHeaders],
    ['a refused call', ['POST', '/api/x', {}], 403, endpointHeaders],
    ['a call without a session', ['GET', '/api/x', { ...asScript, cookie: '' }], 401, endpointHeaders],
    ['a target that is refused', ['GET', '/api/a%2fb', asScript], 400, endpointHeaders],
    ['a request beyond measure', ['GET', '/api/x', { 'x-long': 'x'.repeat(20_000) }], 431, endpointHeaders],
    ['a proxied answer', ['GET', '/api/x', asScript], 200, proxiedHeaders],
    ['a proxied answer that looks like a file', ['GET', '/api/me/x.css', asScript], 200, proxiedHeaders],
  ]
  for (const [what, [method, path, headers], status, expected] of kinds) {
    test(`${what} are as they stand here`, async () => {
      const answer = await user.ask(method, path, { cookie: user.cookie, ...headers })
      assert.deepEqual([answer.status, policyHeaders(answer.headers)], [status, expected])
    })
  }

  test('a proxied answer keep no more than the upstream may say', async () => {
    user.upstream.onRequest((_request, response) => {
      response.writeHead(200, {
        'access-control-allow-origin': '*',
        'access-control-allow-credentials': 'true',
        'alt-svc': 'h3=":443"',
        'cache-control': 'public, max-age=600, s-maxage=600',
        'cdn-cache-control': 'max-age=600',
        'clear-site-data': '"*"',
        'cloudflare-cdn-cache-control': 'max-age=600',
        'content-security-policy': "default-src 'none'",
        'edge-control': 'max-age=600',
        server: 'upstream/1.0',
        'strict-transport-security': 'max-age=0',
        'surrogate-control': 'max-age=600',
        'x-accel-expires': '600',
        'x-accel-redirect': '/internal/secrets',
        'x-sendfile': '/etc/passwd',
        'set-cookie': '__Host-bff=planted; Path=/; Secure',
        'x-powered-by': 'PHP',
      })
      response.end('{}')
      return true
    })
    const answer = await user.ask('GET', '/api/x', { cookie: user.cookie, 'x-csrf': '1' })
    user.upstream.onRequest(() => false)
    assert.deepEqual(policyHeaders(answer.headers), {
      ...proxiedHeaders,
      'content-security-policy': "default-src 'none'",
    })
    assert.equal(answer.headers['set-cookie'], undefined)
  })

  for (const said of [
    'private="set-cookie", max-age=600',
    'private="set-cookie", public',
    'no-cache="x", public',
    'extension="a, private", max-age=600',
    'private, public, max-age=600',
    'no-store, s-maxage=600',
    'not-private, max-age=600',
    'private-ish',
    'max-age=600',
    '',
  ]) {
    test(`a proxied answer say that it is private, whatever the upstream says: ${said}`, async () => {
      assert.equal(await cacheControlOf(said), 'private, no-store')
    })
  }

  for (const said of ['private', 'max-age=60, private', 'No-Store', 'PRIVATE,max-age=60', ['max-age=60', 'private']]) {
    test(`a proxied answer say what the upstream says where it is private: ${said}`, async () => {
      assert.equal(await cacheControlOf(said), String(said).replace('max-age=60,private', 'max-age=60, private'))
    })
  }

  async function cacheControlOf(said: string | string[]): Promise<unknown> {
    user.upstream.onRequest((_request, response) => {
      response.setHeader('cache-control', said).end('{}')
      return true
    })
    const { headers } = await user.ask('GET', '/api/x', { cookie: user.cookie, 'x-csrf': '1' })
    user.upstream.onRequest(() => false)
    return headers['cache-control']
  }

  test('B10: who is logged in say that nobody may keep it', async () => {
    for (const cookie of [user.cookie, '']) {
      const { headers } = await user.ask('GET', '/bff/user', { cookie, 'x-csrf': '1' })
      assert.equal(headers['cache-control'], 'no-store')
    }
  })
})
