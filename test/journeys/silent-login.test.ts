import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'

for (const store of ['redis', 'memory'] as const) {
  describe(`a silent login, sessions in ${store},`, () => {
    let world: World
    before(async () => {
      world = await startWorld({ store })
    })
    after(() => world.close())

    test('without a login at the provider changes nothing', async () => {
      const browser = world.browser()
      const landed = await browser.navigate(`${world.origin}/bff/login?prompt=none&returnUrl=/here`)
      assert.equal(landed.url, `${world.origin}/here`)
      assert.equal((await browser.api('/bff/user')).status, 401)
    })

    test('with a login at the provider makes a session without a question', async () => {
      const browser = world.browser()
      await browser.login()
      browser.deleteCookie('bff')
      await browser.navigate(`${world.origin}/bff/login?prompt=none`)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  })
}

describe('a silent login that the provider answers by', () => {
  let world: World
  let error = ''
  before(async () => {
    world = await startWorld({
      store: 'memory',
      provider: {
        intercept: ({ url = '' }, response) => {
          const asked = new URL(url, 'http://provider')
          if (asked.pathname !== '/auth') return false
          const back = new URL(asked.searchParams.get('redirect_uri') ?? '')
          const state = asked.searchParams.get('state') ?? ''
          back.search = String(new URLSearchParams({ error, state, iss: world.provider.issuer }))
          response.writeHead(303, { location: back.href }).end()
          return true
        },
      },
    })
  })
  after(() => world.close())

  // OpenID Connect Core 1.0, section 3.1.2.6.
  for (const code of ['interaction_required', 'login_required', 'account_selection_required', 'consent_required']) {
    test(`${code} comes back with nothing changed, and one that is not silent has failed`, async () => {
      error = code
      const browser = world.browser()
      const landed = await browser.navigate('/bff/login?prompt=none&returnUrl=/here')
      assert.equal(landed.url, `${world.origin}/here`)
      assert.deepEqual([...browser.cookies.keys()], [])
      assert.equal((await browser.navigate('/bff/login?returnUrl=/here')).status, 400)
    })
  }
})
