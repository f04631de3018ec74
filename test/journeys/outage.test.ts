import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { type OwnRedis, startRedis } from '../support/redis.ts'
import { createTokenEndpoint } from '../support/token-endpoint.ts'
import { startUpstream } from '../support/upstream.ts'
import { startWorld } from '../support/world.ts'
import { recovered } from './recovered.ts'

async function assertUnavailable(response: Response, code: string): Promise<void> {
  assert.equal(response.status, 503)
  assert.equal((await response.json()).code, code)
  assert.ok(Number(response.headers.get('retry-after')) >= 1)
  assert.deepEqual(response.headers.getSetCookie(), [])
}

/** By a program that takes problem details. */
function startLogin(browser: Browser): Promise<Response> {
  return browser.navigate('/bff/login', { redirect: 'manual', headers: { accept: 'application/json' } })
}

describe('an outage of the store', { concurrency: 2 }, () => {
  const outages: Record<
    string,
    { begin: (redis: OwnRedis) => Promise<void>; end: (redis: OwnRedis) => Promise<void> }
  > = {
    frozen: { begin: (redis) => redis.pause(), end: (redis) => redis.resume() },
    killed: { begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
  }
  for (const [how, { begin, end }] of Object.entries(outages)) {
    test(`${how}, it is 503 everywhere, the cookie is kept, and all is well when it is back`, async () => {
      await using redis = await startRedis()
      await using upstream = await startUpstream()
      const routes = [
        { path: '/api', upstream: upstream.url },
        { path: '/either', upstream: upstream.url, token: 'optional' as const },
      ]
      await using world = await startWorld({ redisUrl: redis.url, hurried: true, bff: { routes } })
      const browser = world.browser()
      await browser.login()
      const cookie = browser.cookies.get('bff')?.value
      for (let round = 0; round < 2; round++) {
        await begin(redis)
        const began = performance.now()
        for (const path of ['/bff/user', '/api/x', '/either/x'])
          await assertUnavailable(await browser.api(path), 'store_unreachable')
        await assertUnavailable(await startLogin(browser), 'store_unreachable')
        await assertUnavailable(await browser.api('/bff/logout', { method: 'POST' }), 'store_unreachable')
        assert.ok(performance.now() - began < 15_000, 'nobody waits until it is back')
        await end(redis)
        const { status } = await recovered(() => browser.api('/bff/user'))
        assert.equal(browser.cookies.get('bff')?.value, cookie)
        if (how === 'frozen') assert.equal(status, 200)
        else {
          assert.equal(status, 401, 'an empty store knows nobody')
          await browser.login()
        }
        assert.equal((await browser.api('/api/x')).status, 200)
        if (how === 'killed') return
      }
    })
  }

  test('at the callback it is 503 for a person too, and the login can still be finished', async () => {
    await using redis = await startRedis()
    await using world = await startWorld({ redisUrl: redis.url, hurried: true })
    const browser = world.browser()
    const login = await browser.startLogin()
    await redis.pause()
    const refused = await browser.finishLogin(login)
    assert.equal(refused.status, 503)
    assert.match(refused.headers.get('content-type') ?? '', /^text\/html/)
    assert.equal(world.provider.counts.code_grant, 0)
    await redis.resume()
    await recovered(() => browser.api('/bff/user'))
    const again = await browser.navigate(refused.url, { initiator: world.provider.issuer })
    assert.equal(again.url, `${world.origin}/`)
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  test('a server that starts without its store waits for it', async () => {
    await using redis = await startRedis()
    await redis.kill()
    await using world = await startWorld({ redisUrl: redis.url, hurried: true })
    await assertUnavailable(await startLogin(world.browser()), 'store_unreachable')
    await redis.restart()
    const browser = world.browser()
    assert.equal((await recovered(() => startLogin(browser))).status, 302)
    await browser.login()
    assert.equal((await browser.api('/api/x')).status, 200)
  })
})

describe('a login that fails at the last step', () => {
  test('leaves the browser the session it has', async () => {
    await using redis = await startRedis()
    const token = createTokenEndpoint()
    await using world = await startWorld({
      redisUrl: redis.url,
      hurried: true,
      bff: { cookieSameSite: 'Lax' },
      provider: { intercept: token.intercept },
    })
    const browser = world.browser()
    await browser.login()
    const cookie = browser.cookies.get('bff')?.value
    const login = await browser.startLogin({ parameters: { prompt: 'login' } })
    const arrived = token.arrival()
    const proceed = token.hold()
    const finished = browser.finishLogin(login)
    await arrived
    await redis.pause()
    proceed()
    const response = await finished
    assert.equal(response.status, 503)
    assert.deepEqual(response.headers.getSetCookie(), [])
    await redis.resume()
    assert.equal((await recovered(() => browser.api('/bff/user'))).status, 200)
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(browser.cookies.get('bff')?.value, cookie)
  })
})

describe('an outage of the provider', () => {
  test('at start, logins are 503 with Retry-After, for a person as a page, and work when it is back', async () => {
    let down = true
    await using world = await startWorld({
      store: 'memory',
      provider: {
        intercept: (request, response) => {
          // The fixture itself asks once, without the header of a client library.
          if (!down || request.headers['user-agent'] === 'node') return false
          response.writeHead(503).end()
          return true
        },
      },
    })
    const browser = world.browser()
    await assertUnavailable(await startLogin(browser), 'provider_unreachable')
    const page = await browser.navigate('/bff/login')
    assert.equal(page.status, 503)
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    down = false
    assert.equal((await recovered(() => startLogin(browser))).status, 302)
    await browser.login()
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  // The last is what Okta says.
  for (const [what, status, type, body] of [
    ['a 502 without a word', 502, 'text/plain', ''],
    ['a 429 of the protocol', 429, 'application/json', '{"error":"too_many_requests"}'],
    ['a 429 of a proxy', 429, 'text/html', '<h1>Too Many Requests</h1>'],
    ['a 429 with JSON of its own', 429, 'application/json', '{"errorCode":"E0000047"}'],
  ] as const) {
    test(`at the callback it is 503, and nothing is lost but that login: ${what}`, async () => {
      let down = false
      await using world = await startWorld({
        store: 'memory',
        provider: {
          intercept: (request, response) => {
            if (!down || request.url !== '/token') return false
            response.writeHead(status, { 'content-type': type }).end(body)
            return true
          },
        },
      })
      const browser = world.browser()
      const login = await browser.startLogin()
      down = true
      assert.equal((await browser.finishLogin(login)).status, 503)
      down = false
      await browser.login()
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  }
})
