import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { createKeys } from '../../src/storage/keys.ts'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
/** Parameters that the provider does not get to see: it behaves as one that does not know them. */
const unknown = new Set<string>()

before(async () => {
  world = await startWorld({
    provider: {
      acrs: ['password', 'two-factors'],
      intercept: (request) => {
        const url = new URL(request.url ?? '', 'http://provider')
        for (const name of unknown) url.searchParams.delete(name)
        if (url.pathname === '/auth') request.url = url.pathname + url.search
        return false
      },
    },
  })
})
after(() => world.close())

async function logIn(): Promise<{ browser: Browser; ref: unknown; cookie: string | undefined }> {
  const browser = world.browser()
  await browser.login()
  return { browser, ref: refOfLastLogin(), cookie: browser.cookies.get('bff')?.value }
}

const refOfLastLogin = () => world.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref']
const endOf = (ref: unknown) =>
  world.log.find((line) => line.msg === 'session_ended' && line['ref'] === ref)?.['reason']

async function assertAsItWas(browser: Browser, cookie: string | undefined): Promise<void> {
  assert.equal(browser.cookies.get('bff')?.value, cookie)
  for (const path of ['/bff/user', '/api/x']) assert.equal((await browser.api(path)).status, 200, path)
}

describe('a login of somebody who is logged in', () => {
  const asked: [string, Record<string, string>][] = [
    ['asks again', { prompt: 'login' }],
    ['asks for a fresh login', { max_age: '0' }],
    ['asks for a stronger login', { acr_values: 'two-factors' }],
  ]
  for (const [what, parameters] of asked) {
    test(`that ${what} renews the session: a new id, and the old one is over`, async () => {
      const { browser, ref, cookie } = await logIn()
      const login = await browser.startLogin({ parameters, returnUrl: '/back' })
      assert.ok(login.form, 'the provider asks')
      assert.equal((await browser.api('/bff/user')).status, 200, 'nothing has changed yet')
      assert.equal((await browser.finishLogin(login)).url, `${world.origin}/back`)
      assert.notEqual(browser.cookies.get('bff')?.value, cookie)
      assert.equal((await browser.api('/bff/user')).status, 200)
      assert.equal(endOf(ref), 'replaced')
      const old = await fetch(`${world.origin}/api/x`, { headers: { cookie: `bff=${cookie}`, 'x-csrf': '1' } })
      assert.equal(old.status, 401)
    })

    test(`that ${what} and is cancelled leaves the session as it was`, async () => {
      const { browser, cookie } = await logIn()
      const { page, form } = await browser.startLogin({ parameters })
      assert.ok(form)
      const answer = await browser.submit(page, form, { cancel: 'yes' })
      assert.equal(answer.status, 403)
      await assertAsItWas(browser, cookie)
    })
  }

  for (const [name, value] of [
    ['max_age', '0'],
    ['acr_values', 'two-factors'],
  ] as const) {
    test(`is refused when the provider has not done what ${name} asks for, and leaves the session as it was`, async () => {
      const { browser, cookie } = await logIn()
      unknown.add(name)
      const { page } = await browser.startLogin({ parameters: { [name]: value } })
      unknown.delete(name)
      assert.equal(page.status, 400)
      assert.ok(page.url.startsWith(`${world.origin}/bff/callback?`))
      await assertAsItWas(browser, cookie)
    })
  }

  test('is what makes a wish of acr_values binding: for nobody in particular it is none', async () => {
    const browser = world.browser()
    unknown.add('acr_values')
    await browser.login('alice', { parameters: { acr_values: 'two-factors' } })
    unknown.delete('acr_values')
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  const over: [string, (ref: unknown) => Promise<unknown>][] = [
    [
      'was ended elsewhere',
      async () => {
        const other = world.browser()
        await other.login()
        assert.equal((await other.api('/bff/sessions', { method: 'DELETE' })).status, 204)
      },
    ],
    [
      'cannot be read here',
      async (ref) => {
        const { redisUrl = '', redisPrefix = '' } = world.options
        const redis = await createClient({ url: redisUrl }).connect()
        await redis.hSet(createKeys(redisPrefix).tokens(String(ref)), 'set', 'x')
        redis.destroy()
      },
    ],
  ]
  for (const [what, end] of over) {
    test(`is not what it is where the session of the cookie ${what}: acr_values stay a wish`, async () => {
      const { browser, ref, cookie } = await logIn()
      await end(ref)
      assert.equal((await browser.api('/bff/user')).status, 401)
      unknown.add('acr_values')
      const landed = await browser.login('alice', { parameters: { acr_values: 'two-factors' }, returnUrl: '/back' })
      unknown.delete('acr_values')
      assert.equal(landed.url, `${world.origin}/back`)
      assert.notEqual(browser.cookies.get('bff')?.value, cookie)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  }

  test('is not what it is where nobody used the session for too long: the same link leads in again', async () => {
    // This provider knows no acr at all.
    await using forgetful = await startWorld({ bff: { idleTimeoutSeconds: 1 } })
    const browser = forgetful.browser()
    const link = { parameters: { acr_values: 'two-factors' }, returnUrl: '/back' }
    assert.equal((await browser.login('alice', link)).url, `${forgetful.origin}/back`)
    while ((await browser.api('/bff/user?slide=false')).status === 200) await pause(50)
    assert.ok(browser.cookies.has('bff'))
    assert.equal((await browser.login('alice', link)).url, `${forgetful.origin}/back`)
    assert.equal(forgetful.log.filter(({ msg }) => msg === 'login_succeeded').length, 2)
  })

  test('replaces the session that its start came with, and none that the way back comes with', async () => {
    await using lax = await startWorld({ bff: { cookieSameSite: 'Lax' } })
    const browser = lax.browser()
    const begunByNobody = await browser.startLogin()
    await browser.login()
    const cookie = browser.cookies.get('bff')?.value
    await browser.finishLogin(begunByNobody)
    assert.notEqual(browser.cookies.get('bff')?.value, cookie)
    const other = await fetch(`${lax.origin}/api/x`, { headers: { cookie: `bff=${cookie}`, 'x-csrf': '1' } })
    assert.equal(other.status, 200)
  })
})
