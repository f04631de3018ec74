import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { startApi } from '../../demo/api.ts'
import { buildSpa } from '../../demo/build-spa.ts'
import { fillInLogin, launchBrowser } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'
import { startWorld, type World } from '../support/world.ts'

/** The demo with access tokens of four seconds, in a world whose every byte to the browser is recorded. */
async function startDemo(store: 'redis' | 'memory') {
  const spa = await buildSpa(await mkdtemp(join(tmpdir(), 'coatcheck-demo-')))
  const port = await freePort()
  const bff = { spa, routes: [{ path: '/api', upstream: `http://127.0.0.1:${port}` }] }
  const world = await startWorld({ store, bff, provider: { accessTokenSeconds: 4 } })
  const api = await startApi({ issuer: world.provider.issuer, port })
  const close = async () => {
    await api.close()
    await world.close()
  }
  return { world, [Symbol.asyncDispose]: close }
}

async function logIn(page: Page, world: World): Promise<void> {
  await page.goto(world.origin)
  await page.getByTestId('sign-in').click()
  await fillInLogin(page)
  await page.waitForURL(`${world.origin}/`)
  await page.getByTestId('user-name').getByText('Alice Marlow').waitFor()
}

describe('a person with a browser', () => {
  let chromium: Browser
  before(async () => {
    chromium = await launchBrowser()
  })
  after(() => chromium.close())

  for (const store of ['redis', 'memory'] as const) {
    test(`logs in, calls the API across two rotations, and logs out, sessions in ${store}`, async () => {
      await using demo = await startDemo(store)
      const { world } = demo
      const context = await chromium.newContext()
      const page = await context.newPage()
      const problems: string[] = []
      page.on('pageerror', (error) => problems.push(String(error)))
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
      await logIn(page, world)
      problems.length = 0 // "is anybody there" is answered with 401 before the login, which the console reports

      await page.getByTestId('call').click()
      await page.getByTestId('orders').getByText('Wool overcoat').waitFor()
      for (const rotations of [1, 2]) {
        // The page counts the rotations it has seen; calling is what brings the next one about.
        while (Number(await page.getByTestId('refresh-count').textContent()) < rotations) {
          await page.getByTestId('call-20').click()
          await page.waitForTimeout(200)
        }
      }
      assert.ok(world.provider.counts.refresh >= 2)
      assert.equal(world.provider.counts.grant_revoked, 0)

      const visible = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])
      assert.deepEqual(visible, ['', 0, 0])
      const [cookie] = (await context.cookies(world.origin)).filter(({ name }) => name === 'bff')
      assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.path], [true, 'Strict', '/'])

      await page.getByTestId('sign-out').click()
      await page.waitForURL(`${world.origin}/`)
      await page.getByTestId('sign-in').waitFor()
      assert.equal((await context.cookies(world.origin)).length, 0)
      assert.deepEqual(
        problems.filter((problem) => !problem.includes('401')),
        [],
      )

      await page.goBack({ waitUntil: 'commit' })
      await page.getByTestId('sign-in').waitFor()
      const shown = (await page.locator('body').textContent()) ?? ''
      assert.equal(/Alice|Wool overcoat|alice@/.test(shown), false, shown)
      await context.close()
    })
  }

  test('a page restored from the back/forward cache shows nothing of a user who is gone', async () => {
    await using demo = await startDemo('memory')
    const { world } = demo
    const context = await chromium.newContext()
    const page = await context.newPage()
    await logIn(page, world)
    await page.evaluate(() => {
      addEventListener('pageshow', (event) => Object.assign(window, { restored: event.persisted }))
    })
    await page.goto(`${world.provider.issuer}/`)
    // Meanwhile the session ends in another tab.
    const other = await context.newPage()
    await other.goto(world.origin)
    await other.getByTestId('sign-out').click()
    await other.getByTestId('sign-in').waitFor()
    await page.goBack({ waitUntil: 'commit' })
    await page.getByTestId('sign-in').waitFor()
    assert.equal(await page.evaluate(() => Object.getOwnPropertyDescriptor(window, 'restored')?.value), true)
    assert.equal(/Alice/.test((await page.locator('body').textContent()) ?? ''), false)
    await context.close()
  })

  test('is told by the page that its script has not come, and by nothing else once it has', async () => {
    await using demo = await startDemo('memory')
    const { world } = demo
    await using context = await chromium.newContext()
    const page = await context.newPage()
    await page.route('**/app.js', (route) => route.abort())
    await page.goto(world.origin)
    await page.getByText('its script has not started').waitFor()
    await page.unroute('**/app.js')
    await page.goto(world.origin)
    await page.getByTestId('sign-in').waitFor()
    assert.equal(await page.getByText('its script has not started').count(), 0)
  })

  test('hears and reaches all of it without eyes and mouse, and goes on where a session has ended', async () => {
    await using demo = await startDemo('memory')
    const { world } = demo
    await using context = await chromium.newContext()
    const page = await context.newPage()
    await logIn(page, world)
    const status = page.getByRole('status')
    assert.equal(await status.count(), 1, 'what is said later would not be read out')
    await page.getByTestId('call').press('Enter')
    await page.getByRole('log').getByRole('list').getByRole('listitem').waitFor()
    await page.getByTestId('keep-calling').press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.role), 'log')
    assert.match(await page.locator('body').ariaSnapshot(), /- term: Session ends, unused, in\n\s*- definition: /)

    await context.clearCookies()
    await page.getByTestId('call').press('Enter')
    await status.getByText('Your session has ended').waitFor()
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'sign-in')
  })

  test("an API's answer sends nobody elsewhere by a loginUrl of its own", async () => {
    await using demo = await startDemo('memory')
    const { world } = demo
    const context = await chromium.newContext()
    const page = await context.newPage()
    await logIn(page, world)
    /** @returns what the client throws, if it does */
    const follow = (loginUrl: string) =>
      page.evaluate(async (url) => {
        const client = '/client.js'
        const { createBffClient } = await import(client)
        try {
          createBffClient().login('/', url)
        } catch (error) {
          return String(error)
        }
      }, loginUrl)
    const elsewhere = [
      `${world.provider.issuer}/?`,
      '//evil.example/bff/login?',
      'javascript:alert(1)//bff/login?',
      '/api/x?',
    ]
    for (const loginUrl of [...elsewhere, '/bff/logout?', '/bff/login/../logout?', '\n//evil.example', '']) {
      assert.match((await follow(loginUrl)) ?? 'it went there', /^TypeError/, loginUrl)
    }
    assert.equal(page.url(), `${world.origin}/`)
    const asked = page.waitForRequest((request) => request.url().startsWith(`${world.origin}/bff/login?`))
    await follow('/bff/login?max_age=0').catch(() => undefined) // it has left already
    assert.equal((await asked).url(), `${world.origin}/bff/login?max_age=0&returnUrl=%2F`)
    await context.close()
  })

  test('another site can neither call the API nor log anybody out, whatever it sends', async () => {
    await using demo = await startDemo('memory')
    const { world } = demo
    const context = await chromium.newContext()
    const page = await context.newPage()
    await logIn(page, world)
    await page.goto(`${world.provider.issuer}/`) // the same machine, and another site
    const answers = await page.evaluate(async (target) => {
      const attempt = (path: string, init: RequestInit) =>
        fetch(target + path, { credentials: 'include', ...init }).then(
          ({ status, type }) => `${type} ${status}`,
          () => 'refused',
        )
      return Promise.all([
        attempt('/api/orders', {}),
        attempt('/api/orders', { headers: { 'X-CSRF': '1' } }),
        attempt('/bff/logout', { method: 'POST', headers: { 'X-CSRF': '1' } }),
        attempt('/bff/logout', { method: 'POST', mode: 'no-cors' }),
      ])
    }, world.origin)
    assert.deepEqual(answers, ['refused', 'refused', 'refused', 'refused'])
    await page.goto(world.origin)
    await page.getByTestId('user-name').getByText('Alice Marlow').waitFor()
    await context.close()
  })
})
