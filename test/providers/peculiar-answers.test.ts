import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeJwt } from 'jose'
import { recovered } from '../journeys/recovered.ts'
import { overAtOnce } from '../support/token-endpoint.ts'
import { startWorld } from '../support/world.ts'
import { createTokenAnswers } from './token-answers.ts'

describe('a provider that', { concurrency: 4 }, () => {
  test('says nothing of the life of its tokens: they are used for as long as is configured', async () => {
    const answers = createTokenAnswers()
    answers.always(({ expires_in: _, ...rest }) => rest)
    await using world = await startWorld({ store: 'memory', provider: { intercept: answers.intercept } })
    const browser = world.browser()
    await browser.login()
    for (let call = 0; call < 3; call++) assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(world.provider.counts.refresh, 0)
  })

  test('gives no new refresh token at some refreshes: the one in hand goes on', async () => {
    const answers = createTokenAnswers()
    await using world = await startWorld({ store: 'memory', provider: { rotate: false, intercept: answers.intercept } })
    const browser = world.browser()
    await browser.login()
    answers.always(({ refresh_token: _, ...rest }) => ({ ...rest, expires_in: overAtOnce }))
    for (let call = 0; call < 3; call++) assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(world.provider.counts.refresh, 3)
  })

  for (const status of [400, 401, 403]) {
    test(`answers a refresh with ${status} and nothing else: not known to be a refusal, so the session waits`, async () => {
      const answers = createTokenAnswers()
      let mute = false
      await using world = await startWorld({
        store: 'memory',
        bff: { timing: { decline: 1 } },
        provider: {
          intercept(request, response) {
            if (!mute || request.url !== '/token') return answers.intercept(request, response)
            response.writeHead(status).end()
            return true
          },
        },
      })
      const browser = world.browser()
      await browser.login()
      mute = true
      const answer = await browser.api('/api/x')
      assert.deepEqual([answer.status, answer.headers.has('retry-after')], [503, true])
      mute = false
      assert.equal((await recovered(() => browser.api('/api/x'))).status, 200)
    })
  }

  test('no longer takes our secret: sessions wait, and the log says why, in words of the standards alone', async () => {
    const answers = createTokenAnswers()
    let said: string | null = null
    await using world = await startWorld({
      store: 'memory',
      bff: { timing: { decline: 1 } },
      provider: {
        intercept(request, response) {
          if (said === null || request.url !== '/token') return answers.intercept(request, response)
          response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: said }))
          return true
        },
      },
    })
    const browser = world.browser()
    await browser.login()
    const errors = () => world.log.filter(({ outcome }) => outcome === 'declined').map(({ error }) => error)
    for (said of ['invalid_client', 'of-our-own <making>']) {
      const before = errors().length
      // The provider is left alone for a moment after each.
      while (errors().length === before) assert.equal((await browser.api('/api/x')).status, 503)
    }
    assert.deepEqual(errors(), ['invalid_client', null])
    said = null
    assert.equal((await recovered(() => browser.api('/api/x'))).status, 200)
  })

  test('has no end_session_endpoint: a logout ends here, and the browser goes where it wanted to', async () => {
    await using world = await startWorld({
      store: 'memory',
      provider: {
        configure: (usual) => ({ ...usual, features: { ...usual.features, rpInitiatedLogout: { enabled: false } } }),
      },
    })
    const browser = world.browser()
    await browser.login()
    const { logoutUrl } = await (await browser.api('/bff/user')).json()
    assert.equal((await browser.logout(`${logoutUrl}&returnUrl=/bye`)).url, `${world.origin}/bye`)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })

  test('names its sessions: a logout without the ID token says which one is meant, and nobody is asked', async () => {
    const idTokens: string[] = []
    await using world = await startWorld({
      store: 'memory',
      provider: { onToken: ({ kind, value }) => void (kind === 'id_token' && idTokens.push(value)) },
      registration: (usual) => ({
        ...usual,
        backchannel_logout_uri: 'http://127.0.0.1:9/',
        backchannel_logout_session_required: true,
      }),
    })
    const browser = world.browser()
    await browser.login()
    const { redirectTo } = await (await browser.api('/bff/logout', { method: 'POST' })).json()
    const { sid } = decodeJwt(idTokens[0] ?? '')
    assert.ok(sid)
    assert.equal(new URL(redirectTo).searchParams.get('logout_hint'), sid)
    assert.match(await (await browser.navigate(redirectTo)).text(), /Signing out/)
  })

  test('refuses an authorization request: the log says by what code', async () => {
    await using world = await startWorld({ store: 'memory', bff: { authorizationParams: { prompt: 'none login' } } })
    const landing = await world.browser().navigate('/bff/login')
    assert.equal(landing.status, 400)
    assert.match(JSON.stringify(world.log.find(({ msg }) => msg === 'request_failed')), /"code":"invalid_request"/)
  })

  test('refuses a revocation, or a token of our own: the log says by what codes', async () => {
    await using world = await startWorld({
      store: 'memory',
      bff: {
        timing: { revoke: 1, retry: 1 },
        routes: [{ path: '/api', upstream: 'http://127.0.0.1:9', token: 'client' }],
      },
      provider: {
        intercept({ url }, response) {
          if (url !== '/token/revocation') return false
          response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"unsupported_token_type"}')
          return true
        },
      },
    })
    const browser = world.browser()
    await browser.login()
    assert.equal((await browser.api('/api/x')).status, 503)
    await browser.api('/bff/logout', { method: 'POST' })
    await world.nodes[0]?.bff.close() // waits for the revocation
    const line = (event: string) => JSON.stringify(world.log.find(({ msg }) => msg === event))
    assert.match(line('token_failed'), /"code":"unsupported_grant_type"/)
    assert.match(line('revocation_failed'), /"code":"unsupported_token_type"/)
  })
})
