import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Browser } from '../support/browser.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld, type World } from '../support/world.ts'

const endsOf = ({ log }: World, ref?: unknown) =>
  log.flatMap((line) => {
    const isIt = line.msg === 'session_ended' && (ref === undefined || line['ref'] === ref)
    return isIt ? [line['reason']] : []
  })

async function signedIn(world: World): Promise<{ browser: Browser; ref: unknown }> {
  const browser = world.browser()
  await browser.login()
  return { browser, ref: world.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref'] }
}

describe('the limits of a session', { concurrency: 4 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    test(`S-01: use pushes the idle limit out, and rotations on the way cost nothing, in ${store}`, async () => {
      const bff = { idleTimeoutSeconds: 2 }
      await using world = await startWorld({ store, bff, provider: { accessTokenSeconds: 1 } })
      const { browser } = await signedIn(world)
      const until = performance.now() + 3_500
      while (performance.now() < until) {
        assert.equal((await browser.api('/api/x')).status, 200)
        await pause(100)
      }
      // This provider ends the whole grant when it sees a refresh token again: the newest one was always kept.
      const { refresh, refresh_refused } = world.provider.counts
      assert.ok(refresh >= 2, `${refresh} rotations`)
      assert.equal(refresh_refused, 0)
      assert.equal((await browser.api('/bff/user')).status, 200)
    })

    test(`S-11: no use pushes the absolute limit out, in ${store}`, async () => {
      await using world = await startWorld({ store, bff: { absoluteTimeoutSeconds: 2 } })
      const began = performance.now()
      const { browser } = await signedIn(world)
      const session = performance.now()
      while ((await browser.api('/bff/user')).status === 200) {
        assert.ok(performance.now() - session < 20_000, 'it is still there')
        await pause(50)
      }
      assert.ok(performance.now() - began >= 2_000, 'it ended early')
      assert.equal((await browser.api('/api/x')).status, 401)
      assert.deepEqual(endsOf(world), ['absolute'])
    })

    test(`the idle limit is told of by whatever endpoint sees it first, once, in ${store}`, async () => {
      await using world = await startWorld({ store, bff: { idleTimeoutSeconds: 1 } })
      const events = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }
      const visits: Record<string, (browser: Browser) => Promise<unknown>> = {
        'GET /bff/user': (browser) => browser.api('/bff/user'),
        'GET /bff/events': (browser) => browser.request('/bff/events', { headers: events }),
        'GET /bff/sessions': (browser) => browser.api('/bff/sessions'),
        'DELETE /bff/sessions': (browser) => browser.api('/bff/sessions', { method: 'DELETE' }),
        'POST /bff/logout': (browser) => browser.api('/bff/logout', { method: 'POST' }),
        'a login': (browser) => browser.login(),
      }
      const visitors: ({ name: string } & Awaited<ReturnType<typeof signedIn>>)[] = []
      for (const name of Object.keys(visits)) visitors.push({ name, ...(await signedIn(world)) })
      await pause(1_100)
      assert.deepEqual(endsOf(world), [])
      for (const { name, browser, ref } of visitors) {
        const visit = visits[name]
        assert.ok(visit)
        const cookie = browser.cookies.get('bff')?.value ?? ''
        await visit(browser)
        assert.deepEqual(endsOf(world, ref), ['idle'], name)
        browser.setCookie('bff', cookie)
        assert.equal((await browser.api('/bff/user')).status, 401, name)
        await visit(browser)
        assert.deepEqual(endsOf(world, ref), ['idle'], `${name}, again`)
      }
    })
  }

  test('S-12: who has no session leaves nothing in Redis', async () => {
    await using redis = await startRedis()
    await using world = await startWorld({ redisUrl: redis.url })
    const admin = await createClient({ url: redis.url }).connect()
    const forged = encodeURIComponent(`s:${'x'.repeat(32)}.${'y'.repeat(43)}`)
    const ask = async (path: string, method = 'GET') => {
      for (const cookie of ['a=b', `bff=${forged}`]) {
        const response = await fetch(world.origin + path, { method, headers: { 'x-csrf': '1', cookie } })
        assert.deepEqual(response.headers.getSetCookie(), [], path)
        await response.body?.cancel()
      }
    }
    // A node that asks whether Redis takes writes leaves that for a second.
    const left = async () => (await admin.keys('*')).filter((key) => !key.endsWith(':ready'))
    for (let round = 0; round < 100; round++) {
      for (const path of ['/bff/user', '/bff/events', '/bff/sessions', '/api/x', '/nothing']) await ask(path)
      await ask('/bff/logout', 'POST')
    }
    const found = await left()
    admin.destroy()
    assert.deepEqual(found, [])
  })
})
