import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { closeServer, listen } from '../../demo/listen.ts'
import { createCertificate } from '../support/certificate.ts'
import { launchBrowser } from '../support/chromium.ts'
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

/** Whose page it is: of another site, or of a neighbour, whom SameSite does not keep away. */
const attackers = { 'another site': '127.0.0.1', 'another origin of our own site': 'localhost' } as const

describe("in a browser with a session, somebody else's page", () => {
  const server = createServer(createCertificate(), (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>evil</title>')
  })
  let chromium: Browser
  let user: UserOnHttps
  let port: number
  before(async () => {
    chromium = await launchBrowser()
    port = await listen(server, 0, '127.0.0.1')
    const spa = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    await writeFile(join(spa, 'index.html'), '<!doctype html><p>this is the framed app')
    user = await startUserOnHttps({ spa })
  })
  after(async () => {
    await chromium.close()
    await user[Symbol.asyncDispose]()
    server.closeAllConnections()
    await closeServer(server)
  })

  /** A browser in which the user is logged in. */
  async function loggedIn(): Promise<BrowserContext> {
    const context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const value = user.browser.cookies.get('__Host-bff')?.value ?? ''
    const flags = { secure: true, httpOnly: true, sameSite: 'Strict' as const }
    await context.addCookies([{ name: '__Host-bff', value, url: user.world.origin, ...flags }])
    return context
  }

  /** Whether the page's attempts, all of them, have left session, cookies and API alone. */
  async function assertUntouched(context: BrowserContext, page: Page, requests: number): Promise<void> {
    assert.equal(user.upstream.requests, requests, 'the API was asked')
    const cookies = await context.cookies(user.world.origin)
    const [cookie] = cookies.filter(({ name }) => name === '__Host-bff')
    assert.equal(cookie?.value, user.browser.cookies.get('__Host-bff')?.value)
    await page.goto(`${user.world.origin}/`)
    assert.equal(await statusOf(page, '/bff/user'), 200)
    assert.equal(await statusOf(page, '/api/x'), 200)
    assert.equal(user.upstream.requests, requests + 1, 'our own page can ask, so the session was there to be abused')
  }

  const statusOf = (page: Page, path: string) =>
    page.evaluate((asked) => fetch(asked, { headers: { 'X-CSRF': '1' } }).then(({ status }) => status), path)

  for (const [who, host] of Object.entries(attackers)) {
    /** Opens the page afresh for every one of the targets, and looks what has become of it all. */
    async function attack<T>(targets: readonly T[], act: (page: Page, target: T, origin: string) => Promise<void>) {
      await using context = await loggedIn()
      const { requests } = user.upstream
      const page = await context.newPage()
      for (const target of targets) {
        await page.goto(`https://${host}:${port}/`)
        await act(page, target, user.world.origin)
      }
      await assertUntouched(context, page, requests)
    }

    const forms = [
      ['/api/orders', 'text/plain'],
      ['/form/orders', 'application/x-www-form-urlencoded'],
      ['/bff/logout', 'multipart/form-data'],
    ] as const
    test(`C1: of ${who}, does nothing by a form`, () =>
      attack(forms, async (page, [path, enctype], origin) => {
        const answered = page.waitForResponse((response) => response.url() === origin + path)
        await page.evaluate(
          ([action, type]) => {
            const form = Object.assign(document.createElement('form'), { method: 'POST', action, enctype: type })
            form.append(Object.assign(document.createElement('input'), { name: '{"a":"', value: '"}' }))
            document.body.append(form)
            form.submit()
          },
          [origin + path, enctype] as const,
        )
        assert.equal((await answered).status(), 403)
        await page.waitForURL(origin + path)
      }))

    test(`C1 and C4: of ${who}, does nothing by fetch, whatever it sends`, () =>
      attack([null], async (page, _, origin) => {
        const read = await page.evaluate(async (target) => {
          const attempt = (path: string, init: RequestInit) =>
            fetch(target + path, { credentials: 'include', ...init }).then(
              (response) => response.text(),
              () => '',
            )
          const body = '{}'
          const ours = { 'X-CSRF': '1' }
          return Promise.all([
            attempt('/api/orders', {}),
            attempt('/api/orders', { headers: ours }),
            attempt('/api/orders', { method: 'POST', body, headers: { ...ours, 'content-type': 'application/json' } }),
            attempt('/api/orders', { method: 'DELETE' }),
            attempt('/api/orders', { mode: 'no-cors' }),
            attempt('/api/orders', { mode: 'no-cors', method: 'POST', body }),
            attempt('/form/orders', { mode: 'no-cors', method: 'POST', body }),
            attempt('/bff/logout', { mode: 'no-cors', method: 'POST' }),
            attempt('/bff/logout', { method: 'POST', headers: ours }),
            attempt('/bff/logout', { mode: 'no-cors' }),
            attempt('/bff/user', { headers: ours }),
            attempt('/bff/sessions', { method: 'DELETE', headers: ours }),
          ])
        }, origin)
        assert.deepEqual([...new Set(read)], [''])
      }))

    test(`C5: of ${who}, opens no WebSocket and no EventSource`, () =>
      attack([null], async (page, _, origin) => {
        const opened = await page.evaluate(async (target) => {
          const socket = new WebSocket(`${target.replace('https', 'wss')}/ws/x`)
          const events = new EventSource(`${target}/api/events`, { withCredentials: true })
          const fate = (source: WebSocket | EventSource) =>
            new Promise((resolve) => {
              source.onopen = () => resolve('opened')
              source.onerror = () => resolve('refused')
            })
          const fates = await Promise.all([fate(socket), fate(events)])
          events.close()
          return fates
        }, origin)
        assert.deepEqual(opened, ['refused', 'refused'])
      }))

    test(`C1: of ${who}, does nothing by an image, a script or a frame of an API path, nor frames the app`, () =>
      attack([null], async (page, _, origin) => {
        const fates = await page.evaluate(async (target) => {
          const add = (element: HTMLImageElement | HTMLScriptElement, src: string) =>
            new Promise((resolve) => {
              element.onload = () => resolve('loaded')
              element.onerror = () => resolve('refused')
              element.src = src
              document.body.append(element)
            })
          return Promise.all([
            add(document.createElement('img'), `${target}/api/image`),
            add(document.createElement('script'), `${target}/api/script`),
            add(document.createElement('img'), `${target}/bff/logout`),
          ])
        }, origin)
        assert.deepEqual(fates, ['refused', 'refused', 'refused'])
        const paths = ['/', '/api/x', '/bff/callback']
        for (const path of paths) {
          await page.evaluate(
            (src) =>
              new Promise((resolve) => {
                const frame = document.createElement('iframe')
                frame.onload = resolve
                frame.src = src
                document.body.append(frame)
              }),
            origin + path,
          )
        }
        const frames = page.frames().slice(1)
        assert.equal(frames.length, paths.length)
        // What Chromium itself shows in place of what may not be framed.
        for (const frame of frames) await frame.waitForURL(({ protocol }) => protocol === 'chrome-error:')
      }))

    const addresses = ['/api/orders', '/form/orders', '/bff/logout', '/bff/logout?sid=x', '/bff/user']
    test(`C1: of ${who}, does nothing by leading there`, () =>
      attack(addresses, async (page, path, origin) => {
        const answered = page.waitForResponse((response) => response.url() === origin + path)
        await page.evaluate((url) => location.assign(url), origin + path)
        const status = (await answered).status()
        // Without the Strict cookie a logout finds nobody to log out, and leads home.
        assert.ok(status === 403 || (status === 302 && path.startsWith('/bff/logout')), `${status} for ${path}`)
        await page.waitForURL(status === 302 ? `${origin}/` : origin + path)
      }))
  }
})
