import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startWorld, type World } from '../support/world.ts'

for (const store of ['redis', 'memory'] as const) {
  describe(`logging in, sessions in ${store}`, () => {
    let world: World
    before(async () => {
      world = await startWorld({ store })
    })
    after(() => world.close())

    test('a login ends where it began, with a session', async () => {
      const browser = world.browser()
      const landed = await browser.login('alice', { returnUrl: '/orders/7?tab=2' })
      assert.equal(landed.url, `${world.origin}/orders/7?tab=2`)
      const user = await (await browser.api('/bff/user')).json()
      assert.deepEqual(Object.keys(user), ['claims', 'session', 'logoutUrl'])
      assert.equal(user.claims.sub, 'user-alice')
      assert.equal(user.claims.name, 'Alice Marlow')
      assert.ok(user.session.expiresIn > 35_990 && user.session.expiresIn <= 36_000)
      assert.ok(user.session.idleExpiresIn > 1_790 && user.session.idleExpiresIn <= 1_800)
    })

    test('the claims handed out are the configured ones', async () => {
      const browser = world.browser()
      await browser.login()
      const { claims } = await (await browser.api('/bff/user')).json()
      assert.deepEqual(Object.keys(claims).sort(), ['email', 'name', 'picture', 'preferred_username', 'sub'])
    })

    test('asking who is there counts as use, unless it says otherwise', async () => {
      const browser = world.browser()
      await browser.login()
      const idle = async (query: string) =>
        (await (await browser.api(`/bff/user${query}`)).json()).session.idleExpiresIn
      await pause(1_100)
      assert.ok((await idle('?slide=false')) < 1_799)
      assert.ok((await idle('')) >= 1_799)
    })

    test('what a max_age must be is whole seconds', async () => {
      assert.equal((await world.browser().navigate('/bff/login?max_age=abc')).status, 400)
      const response = await world.browser().navigate('/bff/login?max_age=60', { redirect: 'manual' })
      assert.equal(new URL(response.headers.get('location') ?? '').searchParams.get('max_age'), '60')
    })

    test('the authorization request carries state, nonce and an S256 challenge, and what may pass', async () => {
      const asked =
        '/bff/login?login_hint=al%26ice&ui_locales=de&response_type=token&code_challenge_method=plain&scope=x'
      const response = await world.browser().navigate(asked, { redirect: 'manual' })
      assert.equal(response.status, 302)
      const { origin, searchParams } = new URL(response.headers.get('location') ?? '')
      assert.equal(origin, world.provider.issuer)
      const sent = Object.fromEntries(searchParams)
      assert.equal(sent['response_type'], 'code')
      assert.equal(sent['code_challenge_method'], 'S256')
      assert.equal(sent['scope'], 'openid profile email offline_access')
      assert.equal(sent['login_hint'], 'al&ice')
      assert.equal(sent['ui_locales'], 'de')
      assert.equal(sent['redirect_uri'], `${world.origin}/bff/callback`)
      for (const random of ['state', 'nonce', 'code_challenge']) assert.ok((sent[random]?.length ?? 0) >= 43, random)
    })

    test('every login makes a new session id, and ends the session before it', async () => {
      const browser = world.browser()
      await browser.login()
      const first = browser.cookies.get('bff')?.value
      await browser.login()
      assert.ok(first !== undefined && browser.cookies.get('bff')?.value !== first)
      const old = await fetch(`${world.origin}/bff/user`, { headers: { cookie: `bff=${first}`, 'x-csrf': '1' } })
      assert.equal(old.status, 401)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })

    test('two tabs log in at once and finish in either order', async () => {
      for (const order of ['as begun', 'the other way round']) {
        const browser = world.browser()
        const one = { tab: await browser.startLogin({ returnUrl: '/one' }), lands: `${world.origin}/one` }
        const two = { tab: await browser.startLogin({ returnUrl: '/two' }), lands: `${world.origin}/two` }
        for (const { tab, lands } of order === 'as begun' ? [one, two] : [two, one]) {
          assert.equal((await browser.finishLogin(tab)).url, lands)
          assert.equal((await browser.api('/bff/user')).status, 200)
        }
      }
    })

    test('a sixth pending login drops the oldest, and the fifth before it still finishes', async () => {
      const browser = world.browser()
      const first = await browser.startLogin()
      const second = await browser.startLogin()
      for (let i = 0; i < 4; i++) await browser.startLogin()
      assert.equal([...browser.cookies.keys()].filter((name) => name.startsWith('bff-login-')).length, 5)
      assert.equal((await browser.finishLogin(first)).status, 400)
      assert.equal((await browser.finishLogin(second)).url, `${world.origin}/`)
    })

    test('fifty logins begun and left leave few cookies behind', async () => {
      const browser = world.browser()
      for (let i = 0; i < 50; i++) await browser.navigate(`${world.origin}/bff/login`)
      const header = [...browser.cookies.values()].map(({ name, value }) => `${name}=${value}`).join('; ')
      assert.ok(header.length < 1024, `${header.length} bytes`)
    })
  })
}

test('claims that are not in the ID token are asked from userinfo once, at login', async () => {
  let asked = 0
  await using world = await startWorld({
    provider: {
      resource: null,
      claimsInIdToken: false,
      intercept: (request) => {
        if (request.url === '/me') asked += 1
        return false
      },
    },
  })
  const browser = world.browser()
  await browser.login()
  const { claims } = await (await browser.api('/bff/user')).json()
  assert.deepEqual([claims.sub, claims.name, asked], ['user-alice', 'Alice Marlow', 1])
})

test('a userinfo endpoint that fails costs its claims, and nothing else', async () => {
  await using world = await startWorld({
    provider: {
      resource: null,
      claimsInIdToken: false,
      intercept: (request, response) => {
        if (request.url !== '/me') return false
        response.writeHead(500).end()
        return true
      },
    },
  })
  const browser = world.browser()
  await browser.login()
  const { claims } = await (await browser.api('/bff/user')).json()
  assert.deepEqual(claims, { sub: 'user-alice' })
  assert.ok(world.log.some(({ msg }) => msg === 'userinfo_failed'))
})

test("the operator's max_age holds against an older one that a page asks for", async () => {
  await using world = await startWorld({ store: 'memory', bff: { authorizationParams: { max_age: '100' } } })
  const asked = async (query: string) => {
    const response = await world.browser().navigate(`/bff/login${query}`, { redirect: 'manual' })
    return new URL(response.headers.get('location') ?? '').searchParams.get('max_age')
  }
  assert.deepEqual([await asked(''), await asked('?max_age=9999'), await asked('?max_age=5')], ['100', '100', '5'])
})
