import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import type { Browser } from '../support/browser.ts'
import { startRedis } from '../support/redis.ts'
import { refuse, type SeveralApis, startSeveralApis } from './several-apis.ts'

async function logIn(world: SeveralApis): Promise<Browser> {
  const browser = world.browser()
  await browser.login()
  return browser
}

const grants = (world: SeveralApis) => world.asked.map(({ grant }) => grant)

describe('an exchanged access token', { concurrency: 2 }, () => {
  test('X5: is what the session’s own is exchanged for, once, on any node', async () => {
    await using world = await startSeveralApis({ nodes: 2 })
    const browser = await logIn(world)
    const own = await world.call(browser, '/own/x')
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.call(browser, '/billing/x')))
    assert.match(answers[0] ?? '', /^billing /)
    assert.equal(new Set(answers).size, 1)
    assert.equal(await world.call(browser, '/billing/y', 1), answers[0])
    assert.deepEqual(grants(world), ['token-exchange'])
    assert.ok(own.endsWith(world.asked[0]?.subjectToken ?? '-'), 'the subject token is the own one')
  })

  test('X5: is dropped when the own one is refreshed; tokens for targets stay', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const [own, orders, billing] = [
      await world.call(browser, '/own/x'),
      await world.call(browser, '/orders/x'),
      await world.call(browser, '/billing/x'),
    ]
    world.onRequest(refuse([own]))
    const refreshed = await world.call(browser, '/own/x')
    assert.notEqual(refreshed, own)
    const anew = await world.call(browser, '/billing/x')
    assert.match(anew, /^billing /)
    assert.notEqual(anew, billing)
    assert.ok(refreshed.endsWith(world.asked.at(-1)?.subjectToken ?? '-'))
    assert.equal(await world.call(browser, '/orders/x'), orders)
    assert.deepEqual(grants(world), ['refresh_token', 'token-exchange', 'refresh_token', 'token-exchange'])
  })

  test('that an API refuses is exchanged for anew, once', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const first = await world.call(browser, '/billing/x')
    world.onRequest(refuse([first]))
    const second = await world.call(browser, '/billing/x')
    assert.match(second, /^billing /)
    world.onRequest(refuse([first, second]))
    for (let i = 0; i < 3; i++) assert.equal(await world.call(browser, '/billing/x'), '401 refused')
    assert.deepEqual(grants(world), ['token-exchange', 'token-exchange'])
  })

  test('is kept by a full Redis too: it is not exchanged for by each call', async () => {
    await using redis = await startRedis()
    await using world = await startSeveralApis({ redisUrl: redis.url })
    const browser = await logIn(world)
    const admin = await createClient({ url: redis.url }).connect()
    await admin.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' })
    admin.destroy()
    const first = await world.call(browser, '/billing/x')
    assert.match(first, /^billing /)
    for (let i = 0; i < 3; i++) assert.equal(await world.call(browser, '/billing/x'), first)
    assert.deepEqual(grants(world), ['token-exchange'])
  })

  test('X5: that the provider does not give is a 403 of that route alone, and is not asked for by each call', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    for (let i = 0; i < 3; i++) assert.equal(await world.call(browser, '/unknown-billing/x'), '403 insufficient_scope')
    assert.deepEqual(grants(world), ['token-exchange'])
    assert.match(await world.call(browser, '/billing/x'), /^billing /)
  })

  const unusable = {
    'an outage': { status: 500, body: 'no' },
    'a refused subject token': { status: 400, body: '{"error":"invalid_request"}' },
    'an answer without a type': { status: 200, body: '{"access_token":"a","token_type":"Bearer"}' },
    'a token of another type': {
      status: 200,
      body: '{"access_token":"a","token_type":"N_A","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}',
    },
    'an ID token': {
      status: 200,
      body: '{"access_token":"a","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:id_token"}',
    },
  }
  for (const [what, answer] of Object.entries(unusable)) {
    test(`X5: ${what} is a 503 of that route alone`, async () => {
      await using world = await startSeveralApis({
        bff: { store: 'memory', redisUrl: undefined, timing: { decline: 60_000 } },
      })
      const browser = await logIn(world)
      world.token.answerWith({ headers: { 'content-type': 'application/json' }, ...answer })
      const { requests } = world.token
      for (let i = 0; i < 3; i++) assert.equal(await world.call(browser, '/billing/x'), '503 provider_unreachable')
      assert.equal(world.token.requests, requests + 1)
      assert.match(await world.call(browser, '/own/x'), /^https:/)
    })
  }

  test('is nobody’s when its user has logged out while it was fetched', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const { call, release } = await world.hold(browser, '/billing/x')
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    release()
    assert.equal(await call, '401 no_session')
    assert.equal(await world.call(browser, '/billing/x'), '401 no_session')
  })
})
