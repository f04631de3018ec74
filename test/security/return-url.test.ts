import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { foldPath } from '../../src/http/request-target.ts'
import { judgeReturnUrl } from '../../src/http/return-url.ts'
import { routeSchema } from '../../src/route-options.ts'
import type { Browser } from '../support/browser.ts'
import { rawRequest } from '../support/raw-request.ts'
import { startWorld, type World } from '../support/world.ts'
import { formsByFamily } from './payload-forms.ts'
import families from './payloads/open-redirect.json' with { type: 'json' }

describe('an address to return to', () => {
  let world: World
  before(async () => {
    world = await startWorld({ https: true })
  })
  after(() => world.close())

  /** Where a browser goes on a `Location` header, which must be a page of ours. */
  function assertPageOfOurs(location: string | null, given: string): void {
    const said = `${JSON.stringify(given)} became ${location}`
    assert.ok(location !== null, said)
    const { origin, pathname, username } = new URL(location, world.origin)
    assert.deepEqual([origin, username], [world.origin, ''], said)
    assert.match(location, /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/, said)
    assert.doesNotMatch(`${foldPath(pathname)}/`, /^\/(bff|api)\//, said)
  }

  for (const [family, forms] of formsByFamily(families)) {
    test(`R8: a login and a logout lead to no other place than a page of ours: ${family}`, async () => {
      for (const form of forms) {
        const asked = `/bff/logout?${new URLSearchParams({ returnUrl: form.toWellFormed() })}`
        const { status, headers } = await rawRequest(world.origin, 'GET', asked)
        assert.equal(status, 302, JSON.stringify(form))
        assertPageOfOurs(headers.get('location'), form)
      }
    })

    test(`R8: the same as it stands in the address, for whoever reads it otherwise: ${family}`, async () => {
      for (const form of forms.filter((one) => /^[\x21-\x7e]*$/.test(one))) {
        const { status, headers } = await rawRequest(world.origin, 'GET', `/bff/logout?returnUrl=${form}`)
        // 400: with an ampersand in it the parameter may be there twice.
        if (status !== 400) assertPageOfOurs(headers.get('location'), form)
      }
    })
  }

  test('R8: what the judge has passed is what the login ends with', async () => {
    const browser = world.browser()
    for (const payloads of Object.values(families)) {
      // `prompt=none` without a login at the provider comes back at once.
      for (const given of payloads.slice(0, 3)) await comeBack(browser, 'login', given)
    }
    await comeBack(browser, 'login', '/orders/7?tab=2#end')
    assert.equal(browser.visits.at(-2)?.headers.get('location'), '/orders/7?tab=2#end')
  })

  test('R8: what the judge has passed is what the logout at the provider ends with', async () => {
    for (const given of ['/.//evil.example', '/%2f/../..//evil.example', '//evil.example', '/bff/logout', '/bye?x#y']) {
      const browser = world.browser()
      await browser.login()
      const out = await browser.api(`/bff/logout?${new URLSearchParams({ returnUrl: given })}`, { method: 'POST' })
      const { redirectTo } = await out.json()
      const state = new URL(redirectTo).searchParams.get('state')
      const back = await browser.get(`/bff/logout/callback?state=${state}`)
      assertPageOfOurs(back.headers.get('location'), given)
      if (given.startsWith('/bye')) assert.equal(back.headers.get('location'), given)
    }
  })

  test('R8: the longest one that is passed comes back from the logout, by a cookie and an answer that are short enough', async () => {
    for (const [length, comesBack] of [
      [1_500, true],
      [3_000, false],
      [12_000, false],
    ] as const) {
      const browser = world.browser()
      await browser.login()
      const { logoutUrl } = await (await browser.api('/bff/user')).json()
      const given = `/${'a'.repeat(length - 1)}`
      const out = await browser.navigate(`${logoutUrl}&returnUrl=${given}`, { redirect: 'manual' })
      const size = [...out.headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
      // Common proxies read no longer head of an answer, nor does a browser take a longer cookie.
      assert.ok(size < 8_192, `${size} bytes`)
      for (const line of out.headers.getSetCookie()) assert.ok(line.length < 4_096, `${line.length} bytes`)
      const state = new URL(out.headers.get('location') ?? '').searchParams.get('state')
      const back = await browser.get(`/bff/logout/callback?state=${state}`)
      assert.equal(back.headers.get('location'), comesBack ? given : '/')
    }
  })

  test('R8: a logout that was not begun here, or whose state or cookie is another, leads to the start page', async () => {
    const name = '__Host-bff-logout'
    const changes: [string, (state: string, cookie: string) => [query: string, cookie: string]][] = [
      ['another state', (_state, cookie) => ['?state=x', `${name}=${cookie}`]],
      ['no state', (_state, cookie) => ['', `${name}=${cookie}`]],
      ['no cookie', (state) => [`?state=${state}`, '']],
      ['a changed cookie', (state, cookie) => [`?state=${state}`, `${name}=${cookie.replace(/.$/, '')}`]],
      ['a second cookie', (state, cookie) => [`?state=${state}`, `${name}=${cookie}; ${name}=${cookie}`]],
    ]
    for (const [what, change] of changes) {
      const browser = world.browser()
      await browser.login()
      const out = await browser.api('/bff/logout?returnUrl=/bye', { method: 'POST' })
      const state = new URL((await out.json()).redirectTo).searchParams.get('state') ?? ''
      const [query, cookie] = change(state, browser.cookies.get(name)?.value ?? '')
      const back = await rawRequest(world.origin, 'GET', `/bff/logout/callback${query}`, { cookie })
      assert.deepEqual([back.status, back.headers.get('location')], [302, '/'], what)
      const genuine = { cookie: `${name}=${browser.cookies.get(name)?.value}` }
      const { headers } = await rawRequest(world.origin, 'GET', `/bff/logout/callback?state=${state}`, genuine)
      assert.equal(headers.get('location'), '/bye', what)
    }
  })

  async function comeBack(browser: Browser, path: string, given: string): Promise<void> {
    const seen = browser.visits.length
    await browser.navigate(`/bff/${path}?${new URLSearchParams({ prompt: 'none', returnUrl: given.toWellFormed() })}`)
    const callback = browser.visits.slice(seen).find(({ url }) => url.includes('/bff/callback'))
    assertPageOfOurs(callback?.headers.get('location') ?? null, given)
  }
})

test('R8: whatever is asked for, the judge answers with a page of ours, and stays by it', () => {
  const publicUrl = 'https://app.example'
  const routes = [routeSchema.parse({ path: '/api', upstream: 'http://127.0.0.1:9' })]
  const judged = (value: string) => judgeReturnUrl(value, { publicUrl, basePath: '/bff', routes })
  const pieces = ['/', '//', '\\', '.', '..', '%2e', '%2f', '%5c', '%25', '@', ':', ';', '?', '#', '\t', '\r\n', ' ']
  const words = ['evil.example', 'app.example', 'bff', 'API', 'x', 'https:', 'javascript:', '[::1]']
  const hostile = fc.array(fc.oneof(fc.constantFrom(...pieces, ...words), fc.string({ maxLength: 3, unit: 'binary' })))
  fc.assert(
    fc.property(
      hostile.map((parts) => parts.join('')),
      (value) => {
        for (const given of [value, `/${value}`]) {
          const sent = judged(given)
          assert.equal(new URL(sent, publicUrl).origin, publicUrl)
          assert.match(sent, /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/)
          assert.doesNotMatch(`${foldPath(new URL(sent, publicUrl).pathname)}/`, /^\/(bff|api)\//)
          assert.equal(judged(sent), sent)
        }
      },
    ),
    { seed: 20_240_607, numRuns: 5_000 },
  )
})
