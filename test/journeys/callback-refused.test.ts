import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'

const asPerson = { accept: 'text/html,application/xhtml+xml' }

describe('a callback that cannot be a login', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(() => world.close())

  /** The callback address of a finished login at the provider, not yet visited. */
  async function wonCallback(browser: Browser): Promise<string> {
    const login = await browser.startLogin()
    const visited = browser.visits.length
    await browser.finishLogin(login)
    const callback = browser.visits.slice(visited).find(({ url }) => url.includes('/bff/callback'))
    assert.ok(callback)
    return callback.url
  }

  async function assertRefused(response: Response, status = 400): Promise<string> {
    const body = await response.text()
    assert.equal(response.status, status, body)
    assert.match(body, /login_failed/)
    assert.equal(
      response.headers.getSetCookie().some((line) => line.startsWith('bff=')),
      false,
    )
    return body
  }

  test('a callback visited again makes no second session', async () => {
    const browser = world.browser()
    const url = await wonCallback(browser)
    const codes = world.provider.counts.code_grant
    await assertRefused(await browser.request(url, { headers: asPerson }))
    assert.equal(world.provider.counts.code_grant, codes)
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  test("another browser's callback makes no session, and leaves the login to its own browser", async () => {
    const victim = world.browser()
    const attacker = world.browser()
    const login = await attacker.startLogin()
    const state = new URL(login.page.url).searchParams.get('state') ?? stateOf(attacker)
    await assertRefused(await victim.request(`/bff/callback?code=x&state=${state}`, { headers: asPerson }))
    assert.equal((await attacker.finishLogin(login)).url, `${world.origin}/`)
  })

  test('a state of nobody, and none at all, make no session', async () => {
    for (const query of ['?code=x&state=y', '?code=x', '', '?state=', '?error=access_denied']) {
      await assertRefused(await world.browser().request(`/bff/callback${query}`, { headers: asPerson }))
    }
  })

  test('a provider that says access_denied is 403', async () => {
    const browser = world.browser()
    await browser.startLogin()
    const url = `/bff/callback?error=access_denied&state=${stateOf(browser)}&iss=${world.provider.issuer}`
    await assertRefused(await browser.request(url, { headers: asPerson }), 403)
  })

  test('a code that is not from this login makes no session', async () => {
    const browser = world.browser()
    await browser.startLogin()
    const url = `/bff/callback?code=forged&state=${stateOf(browser)}&iss=${encodeURIComponent(world.provider.issuer)}`
    await assertRefused(await browser.request(url, { headers: asPerson }))
  })

  test('an answer of another issuer makes no session, and its code is not redeemed', async () => {
    const browser = world.browser()
    await browser.startLogin()
    const codes = world.provider.counts.code_grant
    await assertRefused(
      await browser.request(`/bff/callback?code=x&state=${stateOf(browser)}&iss=https://evil.example`, {
        headers: asPerson,
      }),
    )
    await browser.startLogin()
    await assertRefused(await browser.request(`/bff/callback?code=x&state=${stateOf(browser)}`, { headers: asPerson }))
    assert.equal(world.provider.counts.code_grant, codes)
  })

  test('a repeated parameter is bad_request', async () => {
    const browser = world.browser()
    await browser.startLogin()
    const response = await browser.request(`/bff/callback?code=a&code=b&state=${stateOf(browser)}`)
    assert.equal(response.status, 400)
    assert.equal((await response.json()).code, 'bad_request')
  })

  test('a person gets a page with a code and a way back in, a script gets JSON', async () => {
    const browser = world.browser()
    await browser.startLogin()
    const failed = `/bff/callback?code=forged&state=${stateOf(browser)}`
    const person = await browser.request(failed, { headers: asPerson })
    assert.match(person.headers.get('content-type') ?? '', /^text\/html/)
    const page = await person.text()
    assert.match(page, /<a href="\/bff\/login">Try again/)
    assert.equal(page.includes('http-equiv="refresh"'), false)
    const script = await world.browser().request('/bff/callback?state=x', { headers: { accept: 'application/json' } })
    assert.equal(script.headers.get('content-type'), 'application/problem+json')
    const { code, status, requestId } = await script.json()
    assert.deepEqual([code, status], ['login_failed', 400])
    assert.ok(requestId)
  })

  test('nothing of the request is on the page', async () => {
    const planted = encodeURIComponent('<script>alert(1)</script>"\'\r\nX-Injected: 1')
    const browser = world.browser()
    await browser.startLogin()
    const url = `/bff/callback?error=${planted}&error_description=${planted}&state=${stateOf(browser)}&iss=${encodeURIComponent(world.provider.issuer)}`
    const response = await browser.request(url, { headers: asPerson })
    const body = await assertRefused(response)
    assert.equal(/alert|Injected/.test(body + [...response.headers].join()), false)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  })
})

/** The state of the login that a browser began last. */
function stateOf(browser: Browser): string {
  const begun = browser.visits.findLast(({ url }) => new URL(url).searchParams.has('state'))
  return new URL(begun?.url ?? '').searchParams.get('state') ?? ''
}
