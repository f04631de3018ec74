import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { createBff } from '../../src/index.ts'
import { rawRequest } from '../support/raw-request.ts'
import { startWorld } from '../support/world.ts'

const good = {
  publicUrl: 'https://app.example',
  issuer: 'https://login.example',
  clientId: 'app',
  clientSecret: 'secret',
  sessionSecret: 'x'.repeat(32),
  store: 'memory' as const,
  routes: [{ path: '/api', upstream: 'http://127.0.0.1:9' }],
}

function refused(changes: object, option: string): void {
  assert.throws(
    () => createBff({ ...good, ...changes }),
    (error) => error instanceof ConfigurationError && error.problems.some((problem) => problem.startsWith(option)),
    `${JSON.stringify(changes)} was accepted`,
  )
}

describe('we, as a client of the provider,', () => {
  test('R1: authenticate every token request, and do not start without the means to', async () => {
    const asked: (string | undefined)[] = []
    await using world = await startWorld({
      https: true,
      store: 'memory',
      bff: { refreshBeforeSeconds: 1 },
      provider: {
        accessTokenSeconds: 1,
        intercept(request) {
          if (request.url === '/token') asked.push(request.headers.authorization)
          return false
        },
      },
    })
    const browser = world.browser()
    await browser.login()
    while (world.provider.counts.refresh === 0) await browser.api('/api/x')
    assert.ok(asked.length >= 2)
    for (const authorization of asked) assert.match(authorization ?? 'none', /^Basic /)
    refused({ clientSecret: undefined }, 'clientSecret')
    refused({ clientSecret: '' }, 'clientSecret')
    refused({ clientAuth: 'none' }, 'clientAuth')
  })

  test('R11: ask for the configured scope and audience, whatever a page asks for', async () => {
    const bff = { scope: 'openid offline_access', authorizationParams: { audience: 'https://api.example' } }
    await using world = await startWorld({ https: true, store: 'memory', bff })
    const wishes = 'scope=openid+admin&audience=https://evil.example&resource=https://evil.example&claims={}'
    const answer = await rawRequest(world.origin, 'GET', `/bff/login?${wishes}`)
    const { searchParams } = new URL(answer.headers.get('location') ?? '')
    assert.deepEqual(
      ['scope', 'audience', 'resource', 'claims'].map((name) => searchParams.getAll(name)),
      [['openid offline_access'], ['https://api.example'], [], []],
    )
    for (const name of [
      'scope',
      'response_type',
      'redirect_uri',
      'client_id',
      'state',
      'nonce',
      'request',
      'request_uri',
    ]) {
      refused({ authorizationParams: { [name]: 'x' } }, `authorizationParams.${name}`)
    }
  })

  test('a page may ask for a fresher login than is configured, and for no older one', async () => {
    const bff = { authorizationParams: { max_age: '60' } }
    await using world = await startWorld({ https: true, store: 'memory', bff })
    for (const [asked, sent] of [
      ['', '60'],
      ['?max_age=5', '5'],
      ['?max_age=999', '60'],
    ] as const) {
      const { headers } = await rawRequest(world.origin, 'GET', `/bff/login${asked}`)
      assert.deepEqual(new URL(headers.get('location') ?? '').searchParams.getAll('max_age'), [sent], asked)
    }
  })

  test('R13: redirect by 302 and by nothing else', async () => {
    await using world = await startWorld({ https: true, store: 'memory' })
    const browser = world.browser()
    await browser.login()
    await browser.navigate('/bff/login?prompt=none')
    const { logoutUrl } = await (await browser.api('/bff/user')).json()
    await browser.logout(logoutUrl)
    const ours = browser.visits.filter(({ url, headers }) => url.startsWith(world.origin) && headers.has('location'))
    assert.deepEqual([ours.length >= 6, [...new Set(ours.map(({ status }) => status))]], [true, [302]])
  })

  test('R14: are answered at our own https address, whatever a request says of where it came', async () => {
    await using world = await startWorld({ https: true, store: 'memory' })
    const forged = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      forwarded: 'host=evil.example',
    }
    const answer = await rawRequest(world.origin, 'GET', '/bff/login', forged)
    const { searchParams } = new URL(answer.headers.get('location') ?? '')
    assert.equal(searchParams.get('redirect_uri'), `${world.origin}/bff/callback`)
    assert.match(world.origin, /^https:/)
    for (const publicUrl of [
      'http://app.example',
      'http://192.168.0.1',
      'http://localhost.evil.example',
      'ftp://localhost',
    ]) {
      refused({ publicUrl }, 'publicUrl')
    }
  })

  test('B11: hand the page the configured claims and nothing else', async () => {
    const claims = ['name', 'constructor', 'toString']
    await using world = await startWorld({ https: true, store: 'memory', bff: { claims } })
    const browser = world.browser()
    await browser.login()
    const user = await (await browser.api('/bff/user')).json()
    assert.deepEqual(user.claims, { name: 'Alice Marlow', sub: 'user-alice' })
    assert.deepEqual(Object.keys(user).sort(), ['claims', 'logoutUrl', 'session'])
    refused({ claims: ['__proto__'] }, 'claims')
  })

  test('B6: do not start with cookies that no browser would keep', () => {
    refused({ publicUrl: 'http://localhost:3000', cookiePrefix: '__Host-Http-' }, 'cookiePrefix')
    refused({ publicUrl: 'http://localhost:3000', cookiePrefix: '__Host-' }, 'cookiePrefix')
    refused({ cookiePrefix: '__Secure-' }, 'cookiePrefix')
    for (const cookieName of ['__Host-bff', 'a b', 'a;b', 'a=b', '', 'é']) refused({ cookieName }, 'cookieName')
    refused({ cookieSameSite: 'None' }, 'cookieSameSite')
  })

  test('C4: do not start with an answer that another origin may read', () => {
    for (const name of ['Access-Control-Allow-Origin', 'access-control-allow-credentials', 'Set-Cookie']) {
      const responseHeaders = { set: { [name]: '*' } }
      refused(
        { routes: [{ path: '/api', upstream: 'http://127.0.0.1:9', responseHeaders }] },
        'routes.0.responseHeaders',
      )
    }
  })

  test('an SPA may not be given leave to run what was injected', () => {
    for (const source of ["'unsafe-inline'", 'data:', 'https:', '*', "'self'; script-src *", 'https://a.example, *']) {
      refused({ spa: import.meta.dirname, spaSources: { 'script-src': [source] } }, 'spaSources')
    }
    refused({ spaSources: { 'connect-src': ['https://a.example'] } }, 'spaSources')
    refused({ spa: import.meta.dirname, spaSources: { 'default-src': ['https://a.example'] } }, 'spaSources')
  })
})
