import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { createTokenEndpoint } from '../support/token-endpoint.ts'
import { startWorld } from '../support/world.ts'

const logoutUrlOf = async (browser: Browser): Promise<string> =>
  (await (await browser.api('/bff/user')).json()).logoutUrl

for (const store of ['redis', 'memory'] as const) {
  describe(`logging out, sessions in ${store}`, () => {
    test('logout by navigation ends the session here and at the provider, and comes back', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const old = browser.cookies.get('bff')?.value
      const landed = await browser.logout(`${await logoutUrlOf(browser)}&returnUrl=/bye`)
      assert.equal(landed.url, `${world.origin}/bye`)
      assert.equal(browser.cookies.size, 0)
      const withOldCookie = { headers: { cookie: `bff=${old}`, 'x-csrf': '1' } }
      assert.equal((await fetch(`${world.origin}/bff/user`, withOldCookie)).status, 401)
      assert.equal((await fetch(`${world.origin}/api/x`, withOldCookie)).status, 401)
      assert.equal(world.provider.counts.logout, 1)
      await world.nodes[0]?.bff.close()
      assert.equal(world.provider.counts.token_revoked, 1)
    })

    test('the cookie is deleted with the attributes it was set with', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const set = browser.visits
        .flatMap(({ headers }) => headers.getSetCookie())
        .find((line) => line.startsWith('bff='))
      const response = await browser.api('/bff/logout', { method: 'POST' })
      const deleted = response.headers.getSetCookie().filter((line) => line.startsWith('bff='))
      const attributes = (line = '') =>
        new Set(
          line
            .split('; ')
            .slice(1)
            .filter((part) => !part.startsWith('Max-Age')),
        )
      assert.equal(deleted.length, 1)
      assert.match(deleted[0] ?? '', /^bff=; .*Max-Age=0/)
      assert.deepEqual(attributes(deleted[0]), attributes(set))
    })

    test('logout by script says where to go, without a token in it', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const response = await browser.api('/bff/logout?returnUrl=/bye', { method: 'POST' })
      const { redirectTo } = await response.json()
      const { origin, searchParams } = new URL(redirectTo)
      assert.equal(origin, world.provider.issuer)
      assert.deepEqual([...searchParams.keys()].sort(), [
        'client_id',
        'logout_hint',
        'post_logout_redirect_uri',
        'state',
      ])
      const back = `/bff/logout/callback?state=${searchParams.get('state')}`
      assert.equal((await browser.get(back)).headers.get('location'), '/bye')
      assert.equal((await browser.get(back)).headers.get('location'), '/', 'its state is taken once')
    })

    test('a logout link that a browser fetches ahead of its user does nothing', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const link = await logoutUrlOf(browser)
      for (const purpose of ['prefetch', 'prefetch;prerender']) {
        assert.equal((await browser.get(link, { 'sec-purpose': purpose })).status, 403)
      }
      assert.equal((await browser.api('/bff/user')).status, 200)
      await browser.logout(link)
      assert.equal((await browser.api('/bff/user')).status, 401)
    })

    test("a logout link without this session's own sid does nothing", async () => {
      await using world = await startWorld({ store })
      const alice = world.browser()
      const bob = world.browser()
      await alice.login('alice')
      await bob.login('bob')
      for (const url of ['/bff/logout', '/bff/logout?sid=', '/bff/logout?sid=x', await logoutUrlOf(bob)]) {
        assert.equal((await alice.get(url)).status, 403, url)
      }
      assert.equal((await alice.api('/bff/user')).status, 200)
    })

    test('a person whose logout link is out of date is led to the application, and not to another login', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const outOfDate = await logoutUrlOf(browser)
      await browser.login()
      const page = await browser.navigate(outOfDate, { headers: { accept: 'text/html' } })
      assert.equal(page.status, 403)
      assert.deepEqual((await page.text()).match(/href="[^"]*"/g), ['href="/"'])
    })

    test('logging out twice, and without a session, is no error', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      const url = await logoutUrlOf(browser)
      await browser.logout(url)
      assert.equal((await browser.get(url)).headers.get('location'), '/')
      assert.deepEqual(await (await browser.api('/bff/logout', { method: 'POST' })).json(), { redirectTo: '/' })
    })

    test('the way back from the provider leads nowhere but home without the state it was sent with', async () => {
      await using world = await startWorld({ store })
      for (const query of ['', '?state=x', '?state=', '?returnUrl=https://evil.example']) {
        assert.equal((await world.browser().get(`/bff/logout/callback${query}`)).headers.get('location'), '/')
      }
    })

    test('a provider that is down does not keep the session alive', async () => {
      const token = createTokenEndpoint()
      let down = false
      await using world = await startWorld({
        store,
        hurried: true,
        provider: {
          async intercept(request, response) {
            if (!down) return token.intercept(request, response)
            response.writeHead(503).end()
            return true
          },
        },
      })
      const browser = world.browser()
      await browser.login()
      down = true
      assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
      assert.equal((await browser.api('/api/x')).status, 401)
      down = false
      await world.nodes[0]?.bff.close() // waits for the revocation to come through
      assert.equal(world.provider.counts.token_revoked, 1)
    })

    test('a revocation that the provider put off is repeated, though the user has a newer session elsewhere', async () => {
      const revocation = createRevocationEndpoint()
      const bff = { timing: { retry: 20 } }
      await using world = await startWorld({ store, bff, provider: { intercept: revocation.intercept } })
      const [phone, desk] = [world.browser(), world.browser()]
      await phone.login()
      await desk.login()
      revocation.isDown = true
      assert.equal((await phone.api('/bff/logout', { method: 'POST' })).status, 200)
      await until(() => revocation.refused > 0)
      revocation.isDown = false
      await until(() => world.log.some(({ msg }) => msg === 'revoked'))
      assert.equal(world.provider.counts.token_revoked, 1)
      assert.equal((await desk.api('/api/x')).status, 200)
    })

    test('it is not repeated once they have logged in again: the grant may be the new session’s', async () => {
      const revocation = createRevocationEndpoint()
      const bff = { timing: { retry: 20 } }
      await using world = await startWorld({ store, bff, provider: { intercept: revocation.intercept } })
      const browser = world.browser()
      await browser.login()
      revocation.isDown = true
      assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
      await until(() => revocation.refused > 0)
      await browser.login()
      revocation.isDown = false
      await until(() => world.log.some(({ msg, outcome }) => msg === 'revoked' && outcome === 'superseded'))
      assert.equal(world.provider.counts.token_revoked, 0)
      assert.equal((await browser.api('/api/x')).status, 200)
    })

    test('a preflight, a GET by script and a cross-site POST log nobody out', async () => {
      await using world = await startWorld({ store })
      const browser = world.browser()
      await browser.login()
      for (const init of [
        { method: 'OPTIONS' },
        { method: 'GET' },
        { method: 'POST' },
        { method: 'POST', headers: { 'x-csrf': '1', 'sec-fetch-site': 'cross-site' } },
        { method: 'POST', headers: { 'x-csrf': '1', origin: 'https://evil.example' } },
      ]) {
        assert.ok((await browser.request('/bff/logout', init)).status >= 400)
      }
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  })
}

/** A provider's revocation endpoint that can be down. Give `intercept` to `startProvider`. */
function createRevocationEndpoint() {
  const endpoint = {
    isDown: false,
    /** How many requests found it down. */
    refused: 0,
    async intercept({ url }: IncomingMessage, response: ServerResponse): Promise<boolean> {
      if (!endpoint.isDown || url !== '/token/revocation') return false
      endpoint.refused += 1
      response.writeHead(503).end()
      return true
    },
  }
  return endpoint
}

async function until(holds: () => boolean): Promise<void> {
  const limit = performance.now() + 20_000
  while (!holds()) {
    assert.ok(performance.now() < limit, 'it did not come')
    await pause(10)
  }
}
