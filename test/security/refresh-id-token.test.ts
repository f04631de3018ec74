import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { SignJWT, UnsecuredJWT } from 'jose'
import { createClient } from 'redis'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { createDeviations, type Deviation } from './deviations.ts'
import { createKey } from './publishing-issuer.ts'

// Names beginning with oidcc-client-test are those of the OpenID Foundation's conformance modules for relying parties.

const [usual, stranger, fresh] = [await createKey('usual'), await createKey('usual'), await createKey('fresh')]
const now = () => Math.floor(Date.now() / 1000)

/** An access token that is over as soon as it is here: the next call refreshes. */
const overAtOnce = { expires_in: 1e-9 }

async function begin(options: WorldOptions = {}) {
  const d = createDeviations(usual)
  const world = await startWorld({
    https: true,
    store: 'memory',
    ...options,
    provider: { intercept: d.intercept, ...options.provider },
  })
  const browser = world.browser()
  d.now = { answer: overAtOnce, claims: { auth_time: now() - 5 } }
  await browser.login()
  return { world, browser, d, [Symbol.asyncDispose]: world.close }
}

/** What a session says of its user on a node. */
async function nameOn(browser: Browser, origin = ''): Promise<unknown> {
  const response = await browser.api(`${origin}/bff/user`)
  return response.status === 200 ? (await response.json()).claims.name : response.status
}

async function claimsOf(browser: Browser): Promise<Record<string, unknown>> {
  return (await (await browser.api('/bff/user')).json()).claims
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const last = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < last, 'it never came to that')
    await turn()
  }
}

const said = ({ log }: World, event: string) => log.filter(({ msg }) => msg === event)

describe('R16: the ID token of a refresh', { concurrency: 4 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    test(`R16: oidcc-client-test-refresh-token: what a valid one says is in the session, in ${store}`, async () => {
      await using running = await begin({ store, nodes: store === 'redis' ? 2 : 1 })
      const { world, browser, d } = running
      assert.equal(await nameOn(browser), 'Alice Marlow')
      d.now = { claims: { name: 'Alice Married', auth_time: undefined, nonce: undefined } }
      assert.equal((await browser.api('/api/x')).status, 200)
      for (const { relay } of world.nodes) {
        await until(async () => (await nameOn(browser, relay.origin)) === 'Alice Married')
      }
      assert.equal((await claimsOf(browser))['email'], 'alice@coatcheck.example')
    })
  }

  test('R16: claims that it leaves out stay as they were', async () => {
    await using running = await begin()
    const { browser, d } = running
    d.now = { claims: { name: 'Alice Married', email: undefined } }
    assert.equal((await browser.api('/api/x')).status, 200)
    await until(async () => (await nameOn(browser)) === 'Alice Married')
    assert.equal((await claimsOf(browser))['email'], 'alice@coatcheck.example')
  })

  const another: Record<string, Deviation> = {
    'oidcc-client-test-refresh-token-invalid-issuer': { claims: { iss: 'https://evil.example' } },
    'oidcc-client-test-refresh-token-invalid-sub': { claims: { sub: 'mallory' } },
  }
  for (const [name, deviation] of Object.entries(another)) {
    test(`R16: ${name}: the session ends, and none of its tokens is used again`, async () => {
      await using running = await begin()
      const { world, browser, d } = running
      d.now = deviation
      const response = await browser.api('/api/x')
      assert.deepEqual([response.status, (await response.json()).code], [401, 'session_ended'])
      assert.equal(await nameOn(browser), 401)
      assert.equal((await browser.api('/api/x')).status, 401)
      assert.equal(world.upstream.requests, 0)
      assert.equal(world.provider.counts.refresh, 1)
      assert.equal(said(world, 'subject_changed').length, 1)
    })
  }

  /** Wrong in what it says, or in how it says it is signed: seen before anything is stored, and never used. */
  const otherwise: Record<string, Deviation> = {
    'for another client': { claims: { aud: 'somebody-else' } },
    'with another auth_time (A-34)': { claims: { auth_time: now() - 3600 } },
    'with another nonce': { claims: { nonce: 'of-another-login' } },
    'that is over': { claims: { iat: now() - 120, exp: now() - 60 } },
    'that is none': { idToken: () => 'no-token-of-any-kind' },
    'without an iat': { idToken: ({ iat: _iat, ...claims }, sign) => sign(claims) },
    'by no algorithm': { idToken: (claims) => new UnsecuredJWT(claims).encode() },
    'by a secret of nobody': {
      idToken: (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32)),
    },
  }
  /** Wrong in how it is signed: seen once the refresh token beside it is safe. */
  const badlySigned: Record<string, Deviation> = {
    'with a wrong signature': { key: stranger },
    'of another access token': { claims: { at_hash: 'MTIzNDU2Nzg5MDEyMzQ1Ng' } },
  }
  for (const [name, deviation] of Object.entries({ ...otherwise, ...badlySigned })) {
    test(`F7: one ${name} changes nothing, and the refresh token beside it is kept`, async () => {
      await using running = await begin()
      const { world, browser, d } = running
      d.now = { ...deviation, claims: { name: 'Mallory', ...deviation.claims }, answer: overAtOnce }
      assert.equal((await browser.api('/api/x')).status, 200)
      if (name in badlySigned) await until(() => said(world, 'id_token_refused').length === 1)
      // The provider takes a used refresh token for a stolen one: that this works proves which one was kept.
      d.now = { claims: { name: undefined, email: 'later@coatcheck.example' } }
      assert.equal((await browser.api('/api/x')).status, 200)
      await until(async () => (await claimsOf(browser))['email'] === 'later@coatcheck.example')
      assert.equal((await claimsOf(browser))['name'], 'Alice Marlow')
      assert.deepEqual([world.provider.counts.refresh, world.provider.counts.grant_revoked], [2, 0])
    })
  }

  test('F7: keys that cannot be had cost the claims of that refresh, and nothing else', async () => {
    await using running = await begin()
    const { world, browser, d } = running
    d.now = { key: fresh, keySet: null, claims: { name: 'Alice Married' }, answer: overAtOnce }
    assert.equal((await browser.api('/api/x')).status, 200)
    await until(() => said(world, 'claims_failed').length === 1)
    assert.equal(await nameOn(browser), 'Alice Marlow')
    d.now = { claims: { name: 'Alice Married' } }
    assert.equal((await browser.api('/api/x')).status, 200)
    await until(async () => (await nameOn(browser)) === 'Alice Married')
    assert.equal(world.provider.counts.refresh, 2)
  })

  test('R16: a session that ends while its claims are verified stays ended', async () => {
    await using running = await begin({ store: 'redis' })
    const { world, browser, d } = running
    const held = Promise.withResolvers<void>()
    d.now = { key: fresh, keySet: [fresh.jwk], keysHeld: held.promise, claims: { name: 'Alice Married' } }
    // Not held up by the keys: the call is answered while they are on their way.
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    held.resolve()
    await world.nodes[0]?.bff.close()
    assert.deepEqual([said(world, 'claims_failed'), said(world, 'id_token_refused')], [[], []])
    assert.deepEqual(await sessionKeys(world), [])
  })
})

/** What Redis still holds of this world's sessions. */
async function sessionKeys({ options: { redisUrl = '', redisPrefix } }: World): Promise<string[]> {
  const client = createClient({ url: redisUrl })
  await client.connect()
  try {
    return await client.keys(`${redisPrefix}:*:session`)
  } finally {
    client.destroy()
  }
}
