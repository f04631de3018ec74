import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { demoAccounts } from '../../demo/accounts.ts'
import { startWorld } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn, postLogoutToken } from './logout-issuer.ts'

/** A browser takes no longer cookie than 4096 bytes, and servers commonly read no more than 8 KB of an address. */
const longest = { setCookie: 4_096, address: 8_000 }

/** Core 1.0, section 2, allows a `sub` of 255 characters, and nothing says how long a `sid` may be. */
const sub = 's'.repeat(10_000)
const sid = 'i'.repeat(10_000)

/** A provider that gives alice, and every session of hers, such a name. */
async function startWorldOfLongNames(store: 'redis' | 'memory') {
  const issuer = await createLogoutIssuer(false)
  const accounts = demoAccounts.map((account) => ({ ...account, claims: { ...account.claims, sub, sid } }))
  const world = await startWorld({
    ...issuer.world,
    store,
    provider: {
      ...issuer.world.provider,
      accounts,
      accessTokenSeconds: 1,
      configure: (usual) => ({ ...usual, claims: { ...usual.claims, openid: ['sub', 'sid'] } }),
    },
  })
  return { issuer, world, [Symbol.asyncDispose]: () => world.close() }
}

describe('a user, and a session at the provider, whose names are 10,000 characters long', { concurrency: 4 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    test(`log in, are refreshed, and logged out by each of them, in ${store}`, async () => {
      await using running = await startWorldOfLongNames(store)
      const { world, issuer } = running
      for (const [name, changes] of Object.entries({ sub: { sid: undefined }, sid: { sub: undefined } })) {
        const browser = world.browser()
        await browser.login()
        assert.equal((await (await browser.api('/bff/user')).json()).claims.sub, sub)
        assert.equal(issuer.claims()['sid'], sid)
        const { refresh } = world.provider.counts
        while (world.provider.counts.refresh === refresh) assert.equal((await browser.api('/api/x')).status, 200)
        assert.equal((await (await browser.api('/bff/sessions')).json()).sessions.length, 1)
        // Earlier than the login of the next round, which would otherwise be from before the logout.
        const iat = Math.floor(Date.now() / 1000) - 5
        assert.equal((await postLogoutToken(world, await issuer.token({ ...changes, iat }))).status, 200)
        assert.equal(await isSignedIn(world, browser), false, name)
        for (const line of browser.visits.flatMap(({ headers }) => headers.getSetCookie())) {
          assert.ok(line.length < longest.setCookie, line.slice(0, 50))
        }
      }
    })
  }

  test('are in no key of Redis', async () => {
    await using running = await startWorldOfLongNames('redis')
    const { redisUrl = '', redisPrefix } = running.world.options
    await running.world.browser().login()
    const redis = await createClient({ url: redisUrl }).connect()
    const keys = await redis.keys(`${redisPrefix}:*`)
    redis.destroy()
    assert.ok(keys.length >= 4)
    for (const key of keys) assert.ok(key.length < 150, key.slice(0, 150))
  })

  test('L1: are not in the address of the logout, which needs no hint', async () => {
    await using running = await startWorldOfLongNames('redis')
    const browser = running.world.browser()
    await browser.login()
    const { redirectTo } = await (await browser.api('/bff/logout', { method: 'POST' })).json()
    assert.deepEqual([...new URL(redirectTo).searchParams.keys()].toSorted(), [
      'client_id',
      'post_logout_redirect_uri',
      'state',
    ])
    assert.ok(redirectTo.length < longest.address)
    assert.equal((await browser.navigate(redirectTo)).status, 200)
  })
})
