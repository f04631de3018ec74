import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { demoAccounts } from '../../demo/accounts.ts'
import type { Browser } from '../support/browser.ts'
import type { LogLine } from '../support/recorded-log.ts'
import { startWorld } from '../support/world.ts'

const logoutUrlOf = async (browser: Browser): Promise<string> =>
  (await (await browser.api('/bff/user')).json()).logoutUrl

/** Waits for a line of the log; the file's time limit is the limit. */
async function said(log: readonly LogLine[], event: string): Promise<LogLine> {
  for (;;) {
    const line = log.find(({ msg }) => msg === event)
    if (line !== undefined) return line
    await pause(5)
  }
}

/**
 * A provider whose revocation endpoint answers with these statuses, one after another, and then as it should.
 * @param open before that it answers nothing
 */
function revocation(statuses: readonly number[], open: Promise<void> = Promise.resolve()) {
  const left = [...statuses]
  const self = {
    asked: 0,
    async intercept({ url }: IncomingMessage, response: ServerResponse) {
      if (url !== '/token/revocation') return false
      self.asked += 1
      await open
      const status = left.shift()
      if (status === undefined) return false
      response.writeHead(status).end()
      return true
    },
  }
  return self
}

describe('a logout here, and then at the provider', { concurrency: 3 }, () => {
  test('L10: the refresh token is revoked, however often that takes, and nobody waits for it', async () => {
    const open = Promise.withResolvers<void>()
    const { intercept } = revocation([503, 500, 429], open.promise)
    await using world = await startWorld({ provider: { intercept }, bff: { timing: { retry: 30 } } })
    const browser = world.browser()
    await browser.login()
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    open.resolve()
    assert.equal((await said(world.log, 'revoked'))['outcome'], 'revoked')
    assert.equal(world.provider.counts.token_revoked, 1)
  })

  test('L10: a provider that never revokes it is given up after the stated time, and the log says so', async () => {
    const endpoint = revocation(Array.from({ length: 1_000 }, () => 503))
    await using world = await startWorld({
      provider: { intercept: endpoint.intercept },
      bff: { timing: { retry: 30, revoke: 3_000 } },
    })
    const browser = world.browser()
    await browser.login()
    const began = performance.now()
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    const line = await said(world.log, 'revocation_failed')
    assert.equal(line.level, 'warn')
    assert.match(String(line['ref']), /^[\w-]{43}$/)
    assert.ok(performance.now() - began >= 2_000, 'for as long as that it is repeated')
    assert.ok(endpoint.asked >= 3)
    const { asked } = endpoint
    await pause(1_000) // longer than it ever pauses between two tries
    assert.equal(endpoint.asked, asked, 'it is given up')
    assert.equal((await browser.api('/bff/user')).status, 401)
  })

  test('L1: the end at the provider is asked for with everything it needs', async () => {
    await using world = await startWorld()
    const browser = world.browser()
    await browser.login()
    const { headers } = await browser.get(`${await logoutUrlOf(browser)}&returnUrl=/bye`)
    const { origin, searchParams } = new URL(headers.get('location') ?? '')
    assert.equal(origin, world.provider.issuer)
    const names = ['client_id', 'id_token_hint', 'post_logout_redirect_uri', 'state']
    assert.deepEqual([...searchParams.keys()].toSorted(), names)
    assert.equal(searchParams.get('post_logout_redirect_uri'), `${world.origin}/bff/logout/callback`)
    assert.match(searchParams.get('state') ?? '', /^[\w-]{22}$/)
  })

  test('L1: an ID token that is too long for an address is left out, and the logout works', async () => {
    const accounts = demoAccounts.map((account) => ({
      ...account,
      claims: { ...account.claims, name: 'x'.repeat(7_000) },
    }))
    await using world = await startWorld({ provider: { accounts } })
    const browser = world.browser()
    await browser.login()
    const url = await logoutUrlOf(browser)
    const page = await browser.navigate(`${url}&returnUrl=/bye`)
    assert.equal(page.status, 200)
    const asked = new URL(browser.visits.findLast((visit) => visit.url.includes('/session/end'))?.url ?? '')
    assert.deepEqual(
      [asked.searchParams.has('id_token_hint'), asked.searchParams.get('logout_hint')],
      [false, 'user-alice'],
    )
    assert.equal((await browser.api('/bff/user')).status, 401)
  })

  test('L1: where the provider has no such endpoint, the browser goes where it wanted to, logged out here', async () => {
    await using world = await startWorld({
      provider: {
        async intercept({ url, headers }, response) {
          if (url !== '/.well-known/openid-configuration' || headers['x-really'] !== undefined) return false
          const really = await fetch(`http://${headers.host}${url}`, { headers: { 'x-really': '1' } })
          // The fixture itself asks as well, and needs it.
          const { end_session_endpoint: left, ...metadata } = (await really.json()) as Record<string, unknown>
          const published = headers['user-agent'] === 'node' ? { ...metadata, end_session_endpoint: left } : metadata
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(published))
          return true
        },
      },
    })
    const browser = world.browser()
    await browser.login()
    const { headers } = await browser.get(`${await logoutUrlOf(browser)}&returnUrl=/bye`)
    assert.equal(headers.get('location'), '/bye')
    assert.equal((await browser.api('/bff/user')).status, 401)
    await browser.login()
    const body = await (await browser.api('/bff/logout?returnUrl=/bye', { method: 'POST' })).json()
    assert.deepEqual(body, { redirectTo: '/bye' })
  })
})
