import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'

for (const store of ['redis', 'memory'] as const) {
  describe(`a callback that comes again, logins in ${store}`, () => {
    let world: World
    before(async () => {
      world = await startWorld({ https: true, store })
    })
    after(() => world.close())

    /** Logs in, and returns the address of the callback by which that ended. */
    async function logIn(browser: Browser, user = 'alice'): Promise<string> {
      const { url } = await browser.login(user, { returnUrl: '/orders/7?tab=2' })
      assert.equal(url, `${world.origin}/orders/7?tab=2`)
      return lastCallback(browser)
    }

    /** As the back button does: the navigation still counts as the provider's, and brings no Strict cookie. */
    const comeAgain = (browser: Browser, url: string) => browser.navigate(url, { initiator: world.provider.issuer })

    test('R7: state, nonce and verifier are used once: coming again redeems no code, and leads where the login led', async () => {
      const browser = world.browser()
      const callback = await logIn(browser)
      const codes = world.provider.counts.code_grant
      const cookie = browser.cookies.get('__Host-bff')?.value
      for (let i = 0; i < 2; i++) {
        const page = await comeAgain(browser, callback)
        assert.equal(page.status, 400)
        assert.equal((await goOn(browser, page)).url, `${world.origin}/orders/7?tab=2`)
      }
      assert.equal(world.provider.counts.code_grant, codes)
      assert.equal(browser.cookies.get('__Host-bff')?.value, cookie)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })

    test('whoever is not logged in sees the error page, which leads nowhere by itself', async () => {
      const browser = world.browser()
      const callback = await logIn(browser)
      await browser.api('/bff/logout', { method: 'POST' })
      for (const url of [callback, '/bff/callback?state=of-nobody&code=x', '/bff/callback']) {
        const last = await goOn(browser, await comeAgain(browser, url))
        assert.equal(last.url, `${world.origin}/bff/callback/used`)
        const page = await last.text()
        assert.equal(last.status, 400)
        assert.match(page, /login_failed/)
        assert.equal(refreshOf(page), undefined)
      }
    })

    test('where a login led is told to its own user alone', async () => {
      const callback = await logIn(world.browser(), 'alice')
      const other = world.browser()
      await logIn(other, 'bob')
      assert.equal((await goOn(other, await comeAgain(other, callback))).url, `${world.origin}/`)
    })

    test('a login that nobody knows leads whoever is logged in to the start page', async () => {
      const browser = world.browser()
      await logIn(browser)
      const page = await comeAgain(browser, '/bff/callback?state=of-nobody&code=x')
      assert.equal((await goOn(browser, page)).url, `${world.origin}/`)
    })

    test('a later session of the same user goes on where the earlier login led', async () => {
      const browser = world.browser()
      const callback = await logIn(browser)
      await browser.login('alice', { returnUrl: '/elsewhere' })
      assert.equal((await goOn(browser, await comeAgain(browser, callback))).url, `${world.origin}/orders/7?tab=2`)
    })

    test('a script is told by JSON, and sent nowhere', async () => {
      const browser = world.browser()
      const callback = await logIn(browser)
      const answer = await browser.request(callback, { headers: { accept: 'application/json' } })
      const { code, status } = await answer.json()
      assert.deepEqual([code, status], ['login_failed', 400])
    })

    test('forged names of a used login are nothing', async () => {
      const browser = world.browser()
      await logIn(browser)
      for (const name of ['x', '*', '%00', 'A'.repeat(43), `${'A'.repeat(43)}; __Host-bff-used=x`]) {
        const session = `__Host-bff=${browser.cookies.get('__Host-bff')?.value}`
        const headers = { cookie: `${session}; __Host-bff-used=${name}` }
        assert.equal((await browser.navigate('/bff/callback/used', { headers })).url, `${world.origin}/`)
      }
    })
  })
}

test('where a login led is forgotten when the login would have run out', async () => {
  await using world = await startWorld({ https: true, bff: { timing: { login: 5_000 } } })
  const browser = world.browser()
  await browser.login('alice', { returnUrl: '/orders' })
  const callback = lastCallback(browser)
  const again = async () => {
    const page = await browser.navigate(callback, { initiator: world.provider.issuer })
    return (await goOn(browser, page)).url
  }
  assert.equal(await again(), `${world.origin}/orders`)
  // At a pace: the callbacks of one address within a minute are limited.
  while ((await again()) !== `${world.origin}/`) await pause(50)
})

/** Follows the page's refresh, which the page itself starts, from the application's own origin. */
async function goOn(browser: Browser, page: Response): Promise<Response> {
  const target = refreshOf(await page.text())
  assert.equal(target, '/bff/callback/used')
  return browser.navigate(target)
}

function refreshOf(page: string): string | undefined {
  return /<meta http-equiv="refresh" content="0; url=([^"]+)">/.exec(page)?.[1]
}

function lastCallback(browser: Browser): string {
  return browser.visits.findLast(({ url }) => url.includes('/bff/callback?'))?.url ?? assert.fail('no callback yet')
}
