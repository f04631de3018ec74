import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Configuration } from 'oidc-provider'
import { startWorld } from '../support/world.ts'

const pushing =
  (required: boolean) =>
  (usual: Configuration): Configuration => ({
    ...usual,
    features: {
      ...usual.features,
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: required },
    },
  })

describe('a pushed authorization request', { concurrency: 4 }, () => {
  for (const required of [false, true]) {
    test(`X1: is made where the provider ${required ? 'demands' : 'offers'} it: the browser carries a reference alone`, async () => {
      await using world = await startWorld({ store: 'memory', provider: { configure: pushing(required) } })
      const browser = world.browser()
      const sent = await browser.navigate('/bff/login', { redirect: 'manual' })
      const names = [...new URL(sent.headers.get('location') ?? '').searchParams.keys()]
      assert.deepEqual(names.toSorted(), ['client_id', 'request_uri'])
      await browser.login()
      assert.equal((await browser.api('/api/x')).status, 200)
    })
  }

  test('carries what operator and browser ask for, and nothing else of what the browser says', async () => {
    const seen: object[] = []
    const claims = JSON.stringify({ id_token: { acr: null } })
    const configure = (usual: Configuration): Configuration => ({
      ...pushing(true)({ ...usual, features: { ...usual.features, claimsParameter: { enabled: true } } }),
      acrValues: ['urn:two'],
      loadExistingGrant: (ctx) => {
        seen.push({ ...ctx.oidc.params })
        return usual.loadExistingGrant?.(ctx)
      },
    })
    await using world = await startWorld({
      store: 'memory',
      bff: { authorizationParams: { claims } },
      provider: { configure },
    })
    const parameters = {
      acr_values: 'urn:two',
      max_age: '60',
      ui_locales: 'de',
      response_mode: 'fragment',
      scope: 'all',
    }
    const landed = await world.browser().login('alice', { parameters })
    assert.equal(landed.url, `${world.origin}/`)
    const said = Object.entries(Object(seen.at(-1))).filter(([, value]) => value !== undefined)
    const ours = [
      'client_id',
      'code_challenge',
      'code_challenge_method',
      'nonce',
      'redirect_uri',
      'response_type',
      'state',
    ]
    const asked = Object.fromEntries(said.filter(([name]) => !ours.includes(name)))
    assert.equal(said.length - Object.keys(asked).length, ours.length)
    assert.deepEqual(
      { ...asked, claims: JSON.parse(String(asked['claims'])) },
      {
        acr_values: 'urn:two',
        claims: JSON.parse(claims),
        max_age: '60',
        ui_locales: 'de',
        // The provider adds these two by itself.
        scope: 'openid profile email api:read offline_access',
        resource: 'https://api.coatcheck.example',
      },
    )
  })

  test('that is required is not replaced by a plain one where the provider has none', async () => {
    await using world = await startWorld({ store: 'memory', bff: { pushedAuthorization: 'required' } })
    const answer = await world.browser().navigate('/bff/login', { redirect: 'manual' })
    assert.deepEqual([answer.status, answer.headers.get('location')], [400, null])
  })

  test('that is refused is a login that failed', async () => {
    await using world = await startWorld({
      store: 'memory',
      bff: { clientSecret: 'not-the-one-that-is-registered-there' },
      provider: { configure: pushing(false) },
    })
    const answer = await world.browser().navigate('/bff/login', { redirect: 'manual' })
    assert.deepEqual([answer.status, answer.headers.get('location')], [400, null])
  })

  test('that meets an outage is a 503, and the next one goes through', async () => {
    let down = true
    await using world = await startWorld({
      store: 'memory',
      provider: {
        configure: pushing(false),
        intercept: ({ url }, response) => {
          if (!down || url !== '/request') return false
          response.writeHead(502).end('<h1>Bad Gateway</h1>')
          return true
        },
      },
    })
    const browser = world.browser()
    const answer = await browser.navigate('/bff/login', { redirect: 'manual' })
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'])
    down = false
    assert.equal((await browser.login()).url, `${world.origin}/`)
  })
})
