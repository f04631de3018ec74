import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBff } from '../../src/index.ts'
import { fillInLogin, launchBrowser } from '../support/chromium.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld, type World } from '../support/world.ts'

/** An application that logs in whenever nobody is logged in, and shows in its title who is. */
async function buildEagerSpa(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-eager-'))
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>?</title><script src="/app.js"></script>')
  const script = `fetch('/bff/user', { headers: { 'X-CSRF': '1' } }).then(async (response) => {
    if (response.ok) document.title = (await response.json()).claims.sub
    else location.assign('/bff/login?returnUrl=' + encodeURIComponent(location.pathname))
  })`
  await writeFile(join(directory, 'app.js'), script)
  return directory
}

describe('a login in Chromium, on https', () => {
  let chromium: Browser
  let world: World
  before(async () => {
    chromium = await launchBrowser()
    world = await startWorld({ store: 'memory', https: true, bff: { spa: await buildEagerSpa() } })
  })
  after(async () => {
    await chromium.close()
    await world.close()
  })

  const newContext = () => chromium.newContext({ ignoreHTTPSErrors: true })

  const titled = (page: Page) => page.waitForFunction(() => document.title === 'user-alice')

  test('B3: the first landing comes without the Strict cookie, and the application works', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await page.goto(`${world.origin}/orders`)
    await page.locator('#username').waitFor()
    const landing = page.waitForRequest(`${world.origin}/orders`)
    await fillInLogin(page)
    await titled(page)
    assert.equal((await (await landing).allHeaders())['cookie']?.includes('__Host-bff=') ?? false, false)
    const session = (await context.cookies()).find(({ name }) => name === '__Host-bff')
    assert.deepEqual([session?.sameSite, session?.httpOnly, session?.secure], ['Strict', true, true])
    await context.close()
  })

  test('R5 and R7: two tabs finish in the other order, and a callback that comes again leads where it led', async () => {
    const context = await newContext()
    const [one, two] = [await context.newPage(), await context.newPage()]
    for (const [page, path] of [
      [one, '/one'],
      [two, '/two'],
    ] as const) {
      await page.goto(world.origin + path)
      await page.locator('#username').waitFor()
    }
    const callback = two.waitForRequest((request) => request.url().includes('/bff/callback?'))
    for (const page of [two, one]) {
      await fillInLogin(page)
      await titled(page)
    }
    assert.deepEqual([one.url(), two.url()], [`${world.origin}/one`, `${world.origin}/two`])

    // By a link on the provider's site, as its back button leads there.
    const codes = world.provider.counts.code_grant
    await one.goto(`${world.provider.issuer}/`)
    await one.evaluate((url) => location.assign(url), (await callback).url())
    await one.waitForURL(`${world.origin}/two`)
    await titled(one)
    assert.equal(world.provider.counts.code_grant, codes)
    await context.close()
  })

  test('a session cookie that is lost on the way ends at a page, not in a loop', async () => {
    const context = await newContext()
    await using between = await startLosingProxy(world)
    world.relay.forwardTo({ host: '127.0.0.1', port: between.port })
    const page = await context.newPage()
    await page.goto(world.origin)
    const codes = world.provider.counts.code_grant
    await fillInLogin(page)
    await page.getByText('cookies_not_kept').waitFor()
    assert.equal(new URL(page.url()).pathname, '/bff/login')
    assert.equal(world.provider.counts.code_grant - codes, 2)
    await context.close()
  })
})

/** Another node of the world, behind a proxy that loses the session cookie and no other. */
async function startLosingProxy(world: World) {
  const bff = createBff(world.options, { log: createRecordedLog().log })
  const address = (await bff.listen()).address()
  const target = typeof address === 'object' ? address?.port : undefined
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming
    const onward = request({ host: '127.0.0.1', port: target, method, path, headers }, (answer) => {
      const kept = answer.headers['set-cookie']?.filter((line) => !line.startsWith('__Host-bff=')) ?? []
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'set-cookie': kept })
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
  })
  const port = await listen(server, 0, '127.0.0.1')
  const close = async () => {
    await closeServer(server)
    await bff.close()
  }
  return { port, [Symbol.asyncDispose]: close }
}
