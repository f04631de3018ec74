import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { buildSpa } from '../../demo/build-spa.ts'
import type { Browser } from '../support/browser.ts'
import { fillInLogin, launchBrowser } from '../support/chromium.ts'
import { eventsOf } from '../support/event-stream.ts'
import { startWorld, type World } from '../support/world.ts'

const asEventSource = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }

/** Opens the user's events, at a node of choice. */
async function listen(world: World, browser: Browser, node = 0): Promise<Response> {
  return await browser.request(`${world.nodes[node]?.relay.origin}/bff/events`, { headers: asEventSource })
}

describe('the events of a session', { concurrency: 3 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    test(`tell a minute before the end, and of the end, without keeping the session alive, in ${store}`, async () => {
      await using world = await startWorld({ store, bff: { idleTimeoutSeconds: 62 } })
      const browser = world.browser()
      await browser.login()
      const stream = await listen(world, browser)
      assert.equal(stream.status, 200)
      assert.equal(stream.headers.get('content-type'), 'text/event-stream')
      assert.equal(stream.headers.get('cache-control'), 'no-store')
      const events = eventsOf(stream)
      const { value: expiring } = await events.next()
      assert.equal(expiring?.event, 'expiring')
      const left = expiring?.data as { expiresIn: number; idleExpiresIn: number }
      assert.ok(left.idleExpiresIn > 40 && left.idleExpiresIn <= 60, JSON.stringify(left))
      assert.ok(left.expiresIn > 35_000)
      const user = (await (await browser.api('/bff/user')).json()) as { logoutUrl: string; session: typeof left }
      assert.ok(user.session.idleExpiresIn > 60, 'asking counts as use, and takes the warning back')
      await browser.api('/bff/logout', { method: 'POST' })
      assert.deepEqual((await events.next()).value, { event: 'ended', data: { reason: 'logout' } })
      assert.equal((await events.next()).done, true, 'nothing follows')
    })
  }

  test('come from whichever node ended the session, before this one looks by itself', async () => {
    await using world = await startWorld({ nodes: 2 })
    const browser = world.browser()
    await browser.login()
    const events = eventsOf(await listen(world, browser, 1))
    const ended = events.next()
    const began = performance.now()
    await browser.api('/bff/logout', { method: 'POST' })
    assert.deepEqual((await ended).value, { event: 'ended', data: { reason: 'logout' } })
    assert.ok(performance.now() - began < 10_000)
    assert.equal((await listen(world, browser, 1)).status, 401)
  })

  for (const [reason, limits] of [
    ['idle', { idleTimeoutSeconds: 3 }],
    ['absolute', { absoluteTimeoutSeconds: 3 }],
  ] as const) {
    test(`tell on every node that the session ran into its ${reason} limit, and the log says so once`, async () => {
      await using world = await startWorld({ nodes: 2, bff: limits })
      const browser = world.browser()
      await browser.login()
      const streams = await Promise.all([listen(world, browser, 0), listen(world, browser, 1)])
      for (const told of await Promise.all(streams.map((stream) => Array.fromAsync(eventsOf(stream))))) {
        assert.deepEqual(
          told.map(({ event }) => event),
          ['expiring', 'ended'],
        )
        assert.deepEqual(told[1]?.data, { reason })
      }
      assert.equal((await browser.api('/bff/user')).status, 401)
      // A stream ends before the log says why.
      const ended = () => world.log.filter(({ msg }) => msg === 'session_ended')
      while (ended().length === 0) await pause(5)
      assert.deepEqual(
        ended().map((line) => line['reason']),
        [reason],
      )
    })
  }

  test('have a heartbeat', async () => {
    await using world = await startWorld({ bff: { timing: { heartbeat: 100 } } })
    const browser = world.browser()
    await browser.login()
    const events = eventsOf(await listen(world, browser))
    assert.equal((await events.next()).value?.event, 'heartbeat')
    assert.equal((await events.next()).value?.event, 'heartbeat')
    await events.return()
  })

  test('are for the session’s own browser and its own pages alone', async () => {
    await using world = await startWorld()
    const browser = world.browser()
    assert.equal((await listen(world, browser)).status, 401)
    await browser.login()
    for (const headers of [{}, { ...asEventSource, 'sec-fetch-site': 'cross-site' }]) {
      assert.equal((await browser.get('/bff/events', headers)).status, 403)
    }
    const head = await browser.api('/bff/events', { method: 'HEAD' })
    assert.equal(head.status, 200)
  })

  describe('as the SPA’s client tells of them, in Chromium,', { concurrency: false }, () => {
    const disposal = new AsyncDisposableStack()
    let spa: string
    let chromium: Awaited<ReturnType<typeof launchBrowser>>
    before(async () => {
      spa = await buildSpa(await mkdtemp(join(tmpdir(), 'coatcheck-spa-')))
      disposal.defer(() => rm(spa, { recursive: true }))
      chromium = await launchBrowser()
      disposal.defer(() => chromium.close())
    })
    after(() => disposal.disposeAsync())

    /** The SPA of a user who has logged in. */
    async function logIn(world: World): Promise<Page> {
      const page = await (await chromium.newContext()).newPage()
      await page.goto(`${world.origin}/bff/login`)
      await fillInLogin(page)
      await page.waitForURL(`${world.origin}/`)
      return page
    }

    /** @returns what the client says of the end, and the answer to its first request */
    async function watch(world: World, page: Page) {
      const answered = page.waitForResponse(`${world.origin}/bff/events`)
      const ended = page.evaluate(async () => {
        const client = '/client.js'
        const { createBffClient } = await import(client)
        return await new Promise((resolve) => createBffClient().watch({ ended: resolve }))
      })
      return { ended, status: (await answered).status() }
    }

    const logOut = (page: Page) =>
      page.evaluate(() => fetch('/bff/logout', { method: 'POST', headers: { 'X-CSRF': '1' } }))

    test('they go on at another node when one is stopped', async () => {
      await using world = await startWorld({ nodes: 2, bff: { spa } })
      const [first, second] = world.nodes
      assert.ok(first !== undefined && second !== undefined)
      const page = await logIn(world)
      const { ended } = await watch(world, page)
      const reopened = page.waitForResponse(`${world.origin}/bff/events`)
      first.relay.forwardTo({ host: '127.0.0.1', port: second.relay.port })
      await first.bff.close()
      assert.equal((await reopened).status(), 200)
      await logOut(page)
      assert.deepEqual(await ended, { reason: 'logout' })
    })

    test('they go on when something on the way has answered with a 503', async () => {
      await using world = await startWorld({ bff: { spa } })
      const page = await logIn(world)
      await page.route('**/bff/events', (route) => route.fulfill({ status: 503 }), { times: 1 })
      const reopened = page.waitForResponse((response) => response.url().endsWith('/bff/events') && response.ok())
      const { ended, status } = await watch(world, page)
      assert.equal(status, 503)
      await reopened
      await logOut(page)
      assert.deepEqual(await ended, { reason: 'logout' })
    })

    test('the end is told of a session that has ended while nobody listened', async () => {
      await using world = await startWorld({ bff: { spa } })
      const page = await logIn(world)
      await world.nodes[0]?.bff.sessions.end({ sub: 'user-alice' })
      const { ended, status } = await watch(world, page)
      assert.equal(status, 401)
      assert.deepEqual(await ended, { reason: 'unknown' })
    })
  })
})
