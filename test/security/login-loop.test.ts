import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'

for (const https of [false, true]) {
  describe(`a browser that keeps not every cookie, on ${https ? 'https' : 'http'}`, () => {
    const prefix = https ? '__Host-bff' : 'bff'

    async function assertDiagnosed(world: World, page: Response): Promise<void> {
      const text = await page.text()
      assert.equal(page.status, 400)
      assert.match(text, /cookies_not_kept/)
      assert.match(text, /<a href="\/bff\/login">Try again/)
      assert.match(text, new RegExp(`<dd>${world.origin}</dd>`))
      assert.equal(text.includes('http-equiv="refresh"'), false)
      assert.ok(world.log.some(({ msg, reason }) => msg === 'login_failed' && reason === 'cookies_not_kept'))
    }

    test('two logins that ended within a minute, and still no session: the third start is answered with a page', async () => {
      await using world = await startWorld({ store: 'memory', https })
      const browser = world.browser()
      for (let i = 0; i < 2; i++) {
        await browser.login()
        browser.deleteCookie(prefix)
      }
      const started = world.provider.counts.code_grant
      const page = await browser.navigate('/bff/login?returnUrl=/there')
      await assertDiagnosed(world, page)
      assert.equal(world.provider.counts.code_grant, started)

      // From the page there is a way in that is not closed by what has been counted.
      assert.equal((await browser.navigate('/bff/login')).url, `${world.origin}/`)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })

    test('the count is a cookie of a minute, which no script can read', async () => {
      await using world = await startWorld({ store: 'memory', https })
      const browser = world.browser()
      await browser.login()
      const lines = browser.visits.flatMap(({ headers }) => headers.getSetCookie())
      const attributes = `Max-Age=60; Path=/; HttpOnly;${https ? ' Secure;' : ''} SameSite=Lax`
      assert.ok(lines.includes(`${prefix}-finished=1; ${attributes}`), lines.join('\n'))
    })

    test('a browser that keeps no cookie at all is told at the callback', async () => {
      await using world = await startWorld({ store: 'memory', https })
      const browser = world.browser()
      const login = await browser.startLogin()
      // It has to keep the provider's, or would never come back; those are of another host.
      browser.deleteCookie()
      const callback = await browser.finishLogin(login)
      assert.equal(callback.status, 400)
      assert.match(await callback.text(), /<meta http-equiv="refresh" content="0; url=\/bff\/callback\/used">/)
      browser.deleteCookie()
      await assertDiagnosed(world, await browser.navigate('/bff/callback/used'))
    })
  })
}

test('begun logins are not counted, nor such as end with a session', async () => {
  await using world = await startWorld({ store: 'memory' })
  const browser = world.browser()
  for (let i = 0; i < 4; i++) assert.equal((await browser.navigate('/bff/login', { redirect: 'manual' })).status, 302)
  for (let i = 0; i < 4; i++) assert.equal((await browser.login()).url, `${world.origin}/`)
})

test('whoever logs out and in again, as often as they like, is in no loop', async () => {
  await using world = await startWorld({ store: 'memory' })
  const browser = world.browser()
  for (let i = 0; i < 4; i++) {
    assert.equal((await browser.login()).url, `${world.origin}/`)
    if (i % 2 === 0) await browser.api('/bff/logout', { method: 'POST' })
    else await browser.logout((await (await browser.api('/bff/user')).json()).logoutUrl)
  }
})

test('a start from another site is not judged: there the Strict cookie never comes along', async () => {
  await using world = await startWorld({ store: 'memory' })
  const browser = world.browser()
  for (let i = 0; i < 3; i++) {
    const page = await browser.navigate('/bff/login?returnUrl=/a', { initiator: 'http://mail.example' })
    if (i === 0) await browser.finishLogin({ page, form: (await browser.startLogin()).form })
    else assert.equal(page.url, `${world.origin}/a`)
  }
})

test('whatever stands in the count, forged or worn, starts a login or shows the page, and never fails', async () => {
  await using world = await startWorld({ store: 'memory' })
  for (const [count, status] of [
    ['0', 302],
    ['1', 302],
    ['2', 400],
    ['9', 400],
    ['10', 302],
    ['-1', 302],
    ['NaN', 302],
    ['', 302],
    ['2; bff-finished=0', 400],
  ] as const) {
    const headers = { cookie: `bff-finished=${count}`, accept: 'application/json' }
    const response = await world.browser().navigate('/bff/login', { headers, redirect: 'manual' })
    assert.equal(response.status, status, count)
    if (status === 400) assert.equal((await response.json()).code, 'cookies_not_kept')
  }
})
