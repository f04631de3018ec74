import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { demoAccounts } from '../../demo/accounts.ts'
import type { Browser } from '../support/browser.ts'
import { eventsOf } from '../support/event-stream.ts'
import { createTokenEndpoint } from '../support/token-endpoint.ts'
import { startWorld } from '../support/world.ts'

interface Left {
  expiresIn: number
  idleExpiresIn: number
}

async function left(browser: Browser): Promise<Left> {
  return (await (await browser.api('/bff/user')).json()).session
}

/** @param agoSeconds how long ago it may have been so many seconds */
function near(seconds: number, expected: number, agoSeconds = 5): void {
  assert.ok(seconds <= expected && seconds > expected - agoSeconds, `${seconds}`)
}

describe('a session whose refresh token has an end', { concurrency: 3 }, () => {
  for (const name of ['refresh_expires_in', 'refresh_token_expires_in']) {
    test(`B9: ends with it, where the provider says so by ${name}`, async () => {
      const endpoint = createTokenEndpoint()
      endpoint.add({ [name]: 100 })
      await using world = await startWorld({ provider: { accessTokenSeconds: 60, intercept: endpoint.intercept } })
      const browser = world.browser()
      await browser.login()
      const { expiresIn, idleExpiresIn } = await left(browser)
      near(expiresIn, 100)
      near(idleExpiresIn, 100)
    })
  }

  test('B9: goes on with the next refresh token, whose end is later', async () => {
    const endpoint = createTokenEndpoint()
    endpoint.add({ refresh_expires_in: 100 })
    await using world = await startWorld({ provider: { accessTokenSeconds: 1, intercept: endpoint.intercept } })
    const browser = world.browser()
    await browser.login()
    endpoint.add({ refresh_expires_in: 500 })
    while ((await left(browser)).expiresIn <= 100) assert.equal((await browser.api('/api/x')).status, 200)
    near((await left(browser)).expiresIn, 500)
    near((await left(browser)).idleExpiresIn, 500)
  })

  test('B9: lasts as long as its access token where that lasts longer', async () => {
    const endpoint = createTokenEndpoint()
    endpoint.add({ refresh_expires_in: 100 })
    await using world = await startWorld({ provider: { accessTokenSeconds: 300, intercept: endpoint.intercept } })
    const browser = world.browser()
    await browser.login()
    near((await left(browser)).expiresIn, 300)
  })

  test('B9: has been idle when it ends with it, by an open stream and by a request alike', async () => {
    const endpoint = createTokenEndpoint()
    endpoint.add({ refresh_expires_in: 3 })
    await using world = await startWorld({ provider: { accessTokenSeconds: 3, intercept: endpoint.intercept } })
    const [listening, asking] = [world.browser(), world.browser()]
    await asking.login()
    await listening.login()
    const headers = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }
    const told = await Array.fromAsync(eventsOf(await listening.request('/bff/events', { headers })))
    assert.deepEqual(told.at(-1), { event: 'ended', data: { reason: 'idle' } })
    assert.equal((await asking.api('/bff/user')).status, 401)
    const said = world.log.filter(({ msg }) => msg === 'session_ended')
    assert.deepEqual(
      said.map((line) => line['reason']),
      ['idle', 'idle'],
    )
  })

  test('B9: is not cut short by 0, which stands for no end', async () => {
    const endpoint = createTokenEndpoint()
    endpoint.add({ refresh_expires_in: 0 })
    await using world = await startWorld({ provider: { intercept: endpoint.intercept } })
    const browser = world.browser()
    await browser.login()
    near((await left(browser)).expiresIn, 36_000)
  })
})

for (const [fraction, written] of [
  [0, ''],
  [0.1234567, ', which may have a fraction'],
] as const) {
  test(`B9: a session ends when the ID token’s session_expiry says${written}, however much it is used`, async () => {
    const session_expiry = Math.floor(Date.now() / 1000) + 120 + fraction
    await using world = await startWorld({
      provider: {
        accounts: demoAccounts.map((account) => ({ ...account, claims: { ...account.claims, session_expiry } })),
        configure: (usual) => ({ ...usual, claims: { ...usual.claims, openid: ['sub', 'session_expiry'] } }),
      },
    })
    const browser = world.browser()
    await browser.login()
    near((await left(browser)).expiresIn, 120, 60)
    near((await left(browser)).idleExpiresIn, 120, 60)
  })
}
