import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { createTokenEndpoint, overAtOnce } from '../support/token-endpoint.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { recovered } from './recovered.ts'

/** Of tokens that a hundred calls at once refresh, in seconds: none is due again before a busy machine has made them. */
const firstLives = 2
const rotations = [
  { overAfter: firstLives, nextLives: 8 },
  { overAfter: 8, nextLives: 60 },
]

/** Waits until an access token issued just now is over, or in its window. */
const after = (seconds: number) => pause(seconds * 1000 + 50)

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

const call = async (browser: Browser, n: number): Promise<Set<number>> =>
  new Set(await Promise.all(times(n, async () => (await browser.api('/api/x')).status)))

async function problem(response: Response): Promise<[number, string]> {
  return [response.status, (await response.json()).code]
}

// Mostly they wait for tokens to run out: side by side.
describe('a refresh', { concurrency: 3 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    /** Somebody is logged in. @param lifeSeconds of the login's access token; those of refreshes last for longer than a test */
    const begin = async (options: WorldOptions = {}, lifeSeconds = overAtOnce) => {
      const token = createTokenEndpoint()
      const provider = { intercept: token.intercept, ...options.provider }
      const world = await startWorld({ store, hurried: true, ...options, provider })
      const browser = world.browser()
      token.add({ expires_in: lifeSeconds })
      await browser.login()
      token.add({})
      return { world, browser, token, [Symbol.asyncDispose]: world.close }
    }

    describe(`with rotation, sessions in ${store}`, { concurrency: 4 }, () => {
      test('a hundred calls with an expired token refresh once, over and over', async () => {
        const bff = { refreshBeforeSeconds: 1, timing: patientTiming }
        await using running = await begin({ hurried: false, bff }, firstLives)
        for (const [rotated, { overAfter, nextLives }] of rotations.entries()) {
          running.token.add({ expires_in: nextLives })
          await after(overAfter)
          assert.deepEqual(await call(running.browser, 100), new Set([200]))
          assert.equal(running.world.provider.counts.refresh, rotated + 1)
        }
        assert.equal(running.world.provider.counts.grant_revoked, 0)
      })

      test('a token in the second half of its life goes on being used while one refresh runs', async () => {
        await using running = await begin({ hurried: false }, 8)
        const { browser, token, world } = running
        await call(browser, 5)
        assert.equal(token.requests, 1) // the login's own
        await after(4)
        const arrived = token.arrival()
        const proceed = token.hold()
        assert.deepEqual(await call(browser, 20), new Set([200])) // with the provider's answer still held
        await arrived
        assert.equal(token.requests, 2)
        proceed()
        await refreshed(world, 1)
        assert.deepEqual(await call(browser, 20), new Set([200]))
        assert.equal(token.requests, 2)
      })

      test('a provider that is down is asked once, however many calls there are', async () => {
        const timing = { ...patientTiming, decline: 60_000 }
        await using running = await begin({ hurried: false, bff: { timing } })
        const { browser, token } = running
        token.answerWith({ status: 503 })
        for (let i = 0; i < 5; i++) assert.deepEqual(await call(browser, 20), new Set([503]))
        assert.equal(token.requests, 2) // the login's own, and one
      })

      test('a provider that answers nonsense costs no session', async () => {
        await using running = await begin()
        const { browser, token, world } = running
        for (const status of [500, 503, 429, 302, 401]) {
          token.answerWith({ status })
          assert.deepEqual(await call(browser, 20), new Set([503]))
          const response = await browser.api('/api/x')
          assert.ok(Number(response.headers.get('retry-after')) >= 1)
          assert.deepEqual(response.headers.getSetCookie(), [])
          assert.deepEqual(await problem(response), [503, 'provider_unreachable'])
        }
        token.answerWith(null)
        assert.equal((await recovered(() => browser.api('/api/x'))).status, 200)
        assert.equal(world.provider.counts.refresh, 1)
      })

      test('B9: a refused refresh token ends the session, says so once, and then there is none', async () => {
        await using running = await begin()
        const { browser, world, token } = running
        world.provider.revokeGrants()
        assert.deepEqual(await problem(await browser.api('/api/x')), [401, 'session_ended'])
        assert.deepEqual(await problem(await browser.api('/api/x')), [401, 'no_session'])
        assert.equal((await browser.api('/bff/user')).status, 401)
        assert.equal(token.requests, 2)
        assert.ok(world.log.some(({ msg, reason }) => msg === 'session_ended' && reason === 'refused'))
      })

      test('a refresh token refused ahead of time costs no call its answer, and then there is no session', async () => {
        await using running = await begin({}, 8)
        const { browser, world } = running
        world.provider.revokeGrants()
        await after(4) // the second half of its life has begun
        assert.equal((await browser.api('/api/x')).status, 200)
        while (!world.log.some(({ msg }) => msg === 'session_ended')) await pause(5)
        assert.deepEqual(await problem(await browser.api('/api/x')), [401, 'no_session'])
      })

      test('a client that leaves does not take the refresh with it', async () => {
        await using running = await begin()
        const { browser, token, world } = running
        const arrived = token.arrival()
        const proceed = token.hold()
        const leave = new AbortController()
        const left = browser.api('/api/x', { signal: leave.signal })
        await arrived
        leave.abort()
        await assert.rejects(left)
        proceed()
        await refreshed(world, 1)
        assert.equal((await browser.api('/api/x')).status, 200)
        assert.equal(token.requests, 2)
      })

      test('logout wins over a refresh in flight, and what the refresh brings is revoked', async () => {
        const token = createTokenEndpoint()
        token.add({ expires_in: overAtOnce })
        const granted = Promise.withResolvers<void>()
        const provider: WorldOptions['provider'] = {
          onEvent: (event) => event === 'refresh' && granted.resolve(),
          async intercept(request, response) {
            // The logout's own revocation comes after it, or the refresh would find its token revoked.
            if (request.url === '/token/revocation') await granted.promise
            return token.intercept(request, response)
          },
        }
        await using running = await begin({ provider })
        const { browser, world } = running
        const arrived = token.arrival()
        const proceed = token.hold()
        const waiting = browser.api('/api/x')
        await arrived
        assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
        proceed()
        assert.equal((await waiting).status, 401)
        assert.equal((await browser.api('/api/x')).status, 401)
        await world.nodes[0]?.bff.close()
        assert.equal(world.log.filter(({ msg, outcome }) => msg === 'revoked' && outcome === 'revoked').length, 2)
      })

      test('shutdown waits for a refresh and for its write', async () => {
        await using running = await begin()
        const { browser, token, world } = running
        const arrived = token.arrival()
        const proceed = token.hold()
        const waiting = browser.api('/api/x')
        await arrived
        const closed = world.nodes[0]?.bff.close()
        proceed()
        assert.equal((await waiting).status, 200)
        await closed
      })

      test('a provider that does not rotate keeps its refresh token', async () => {
        await using running = await begin({ provider: { rotate: false } })
        running.token.add({ expires_in: overAtOnce })
        for (let i = 1; i <= 2; i++) assert.deepEqual(await call(running.browser, 10), new Set([200]))
        assert.ok(running.world.provider.counts.refresh >= 2)
      })

      test('without a refresh token the session ends with its access token, and the log says why', async () => {
        await using running = await begin({ bff: { scope: 'openid profile email' } }, 2)
        assert.equal((await running.browser.api('/api/x')).status, 200)
        await after(2)
        assert.deepEqual(await problem(await running.browser.api('/api/x')), [401, 'no_session'])
        assert.ok(running.world.log.some(({ msg }) => msg === 'no_refresh_token'))
      })
    })
  }

  test('is made once between two nodes', async () => {
    const token = createTokenEndpoint()
    await using world = await startWorld({
      nodes: 2,
      provider: { accessTokenSeconds: firstLives, intercept: token.intercept },
      bff: { refreshBeforeSeconds: 1, timing: patientTiming },
    })
    const browser = world.browser()
    await browser.login()
    const [, second] = world.nodes
    assert.ok(second)
    for (const [rotated, { overAfter, nextLives }] of rotations.entries()) {
      token.add({ expires_in: nextLives })
      await after(overAfter)
      const urls: string[] = times(100, (i) => (i % 2 === 0 ? '/api/x' : `${second.relay.origin}/api/x`))
      const answers: number[] = await Promise.all(urls.map(async (url) => (await browser.api(url)).status))
      assert.deepEqual(new Set(answers), new Set([200]))
      await refreshed(world, rotated + 1) // the clocks of two nodes agree by some milliseconds: both may have had a token in its window
      assert.equal(world.provider.counts.refresh, rotated + 1)
    }
  })
})

test('the fixture provider itself kills the grant when a used refresh token comes again', async () => {
  const token = createTokenEndpoint()
  const seen: string[] = []
  await using world = await startWorld({
    provider: {
      intercept: token.intercept,
      onToken: ({ kind, value }) => void (kind === 'refresh_token' && seen.push(value)),
    },
  })
  await world.browser().login()
  const refresh = async (refresh_token: string) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
    const credentials = `${world.options.clientId}:${encodeURIComponent(String(world.options.clientSecret))}`
    const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    const response = await fetch(`${world.provider.issuer}/token`, { method: 'POST', body, headers: { authorization } })
    return response.json()
  }
  const [first = ''] = seen
  const second = (await refresh(first)).refresh_token
  assert.ok(second && second !== first)
  assert.equal((await refresh(first)).error, 'invalid_grant')
  assert.equal((await refresh(second)).error, 'invalid_grant')
  assert.equal(world.provider.counts.grant_revoked, 1)
})

/** Waits until so many refreshes have been stored and said. */
async function refreshed(world: World, n: number): Promise<void> {
  while (world.log.filter(({ msg, outcome }) => msg === 'refresh' && outcome === 'issued').length < n) {
    await pause(5)
  }
}
