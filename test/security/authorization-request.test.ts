import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ProviderOptions } from '../../demo/provider.ts'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'

/** The parameters with which a browser is sent to the provider, and where. */
async function asked(browser: Browser, query = ''): Promise<URL> {
  const response = await browser.get(`/bff/login${query}`, { 'sec-fetch-dest': 'document' })
  assert.equal(response.status, 302)
  return new URL(response.headers.get('location') ?? '')
}

/** A provider whose metadata says something else. */
function saying(changed: object): ProviderOptions['intercept'] {
  let original: Promise<Record<string, unknown>> | undefined
  return async (request, response) => {
    if (request.url !== '/.well-known/openid-configuration' || request.headers['x-original'] !== undefined) return false
    const url = `http://${request.headers.host}${request.url}`
    // Our provider's metadata.
    original ??= fetch(url, { headers: { 'x-original': '1' } }).then((answer) => answer.json()) as Promise<
      Record<string, unknown>
    >
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ ...(await original), ...changed }))
    return true
  }
}

const startSecureWorld = (intercept?: ProviderOptions['intercept']): Promise<World> =>
  startWorld({ https: true, store: 'memory', ...(intercept === undefined ? {} : { provider: { intercept } }) })

describe('an authorization request', () => {
  test('R3: asks for a code, whatever a page asks for', async () => {
    await using world = await startSecureWorld()
    for (const query of ['', '?response_type=token', '?response_type=code+id_token&response_mode=fragment']) {
      const { searchParams } = await asked(world.browser(), query)
      assert.deepEqual(searchParams.getAll('response_type'), ['code'])
      assert.equal(searchParams.get('response_mode'), null)
    }
  })

  test('R4 and R6: has a code challenge, S256, even for a provider that does not say it knows any', async () => {
    for (const methods of [undefined, [], ['plain']]) {
      await using world = await startSecureWorld(saying({ code_challenge_methods_supported: methods }))
      for (const query of ['', '?code_challenge_method=plain&code_challenge=x']) {
        const { searchParams } = await asked(world.browser(), query)
        assert.deepEqual(searchParams.getAll('code_challenge_method'), ['S256'])
        assert.match(searchParams.getAll('code_challenge').join(), /^[\w-]{43}$/)
      }
    }
  })

  test('R5: has a challenge, a nonce and a state of its own, every time', async () => {
    await using world = await startSecureWorld()
    const browser = world.browser()
    const seen = new Set<string | null>()
    for (let i = 0; i < 10; i++) {
      const { searchParams } = await asked(browser)
      for (const name of ['code_challenge', 'nonce', 'state']) seen.add(searchParams.get(name))
    }
    assert.equal(seen.size, 30)
    assert.equal(seen.has(null), false)
  })

  test("R5: is bound to the browser it was made in: another browser's login cannot be finished with it", async () => {
    await using world = await startSecureWorld()
    const [attacker, victim] = [world.browser(), world.browser()]
    await attacker.login()
    const callback = attacker.visits.find(({ url }) => url.includes('/bff/callback'))?.url ?? ''
    await victim.startLogin()
    const { code_grant: codes } = world.provider.counts
    const answer = await victim.navigate(callback)
    assert.notEqual(answer.url, `${world.origin}/`)
    assert.equal(victim.cookies.has('__Host-bff'), false)
    assert.equal(world.provider.counts.code_grant, codes)
  })

  test('R7: is answered once: the same answer, brought again, redeems no code and makes no session', async () => {
    await using world = await startSecureWorld()
    const browser = world.browser()
    await browser.login()
    const session = browser.cookies.get('__Host-bff')?.value
    const callback = browser.visits.find(({ url }) => url.includes('/bff/callback'))?.url ?? ''
    for (const who of [browser, world.browser()]) {
      await who.navigate(callback)
      assert.equal(world.provider.counts.code_grant, 1)
    }
    assert.equal(browser.cookies.get('__Host-bff')?.value, session)
  })

  test('R9: answered in the name of another issuer, or of none, is refused without a token request', async () => {
    await using world = await startSecureWorld()
    for (const issuer of [
      'https://evil.example',
      `${world.provider.issuer}/`,
      world.provider.issuer.toUpperCase(),
      null,
    ]) {
      const browser = world.browser()
      const state = (await asked(browser)).searchParams.get('state') ?? ''
      const answered = new URLSearchParams({ code: 'x', state, ...(issuer === null ? {} : { iss: issuer }) })
      const { status } = await browser.get(`/bff/callback?${answered}`)
      assert.equal(status, 400, String(issuer))
      assert.equal(browser.cookies.has('__Host-bff'), false)
    }
    assert.equal(world.provider.counts.code_grant, 0)
  })

  test("R12: goes where the provider's metadata says", async () => {
    const endpoint = 'https://login.example/elsewhere/authorize?tenant=1'
    await using world = await startSecureWorld(saying({ authorization_endpoint: endpoint }))
    const { origin, pathname, searchParams } = await asked(world.browser())
    assert.deepEqual(
      [origin, pathname, searchParams.get('tenant')],
      ['https://login.example', '/elsewhere/authorize', '1'],
    )
  })
})
