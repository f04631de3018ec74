import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startWorld, type World } from '../support/world.ts'
import { createExactRequest } from './exact-request.ts'

describe('on http, which only a loopback name may be reached by,', () => {
  let world: World
  before(async () => {
    world = await startWorld({ store: 'memory' })
  })
  after(() => world.close())

  test('cookies have everything but what needs https, even where a request claims to be https', async () => {
    const browser = world.browser()
    await browser.login()
    const out = await browser.api('/bff/logout', { method: 'POST', headers: { 'x-forwarded-proto': 'https' } })
    const ours = browser.visits.filter(({ url }) => url.startsWith(world.origin))
    const lines = [...ours.map(({ headers }) => headers), out.headers].flatMap((headers) => headers.getSetCookie())
    assert.ok(lines.length >= 4)
    for (const line of lines)
      assert.match(line, /^bff(-[\w-]+)?=[^;]*;( Max-Age=\d+;)? Path=\/; HttpOnly; SameSite=(Lax|Strict)$/)
  })

  test('requests need the same proof, and an https origin of the same name is another one', async () => {
    const browser = world.browser()
    await browser.login()
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const ask = createExactRequest(world.origin)
    const status = async (headers: Record<string, string>) =>
      (await ask('POST', '/api/x', { cookie, ...headers })).status
    assert.equal(await status({}), 403)
    assert.equal(await status({ 'x-csrf': '1', origin: world.origin.replace('http:', 'https:') }), 403)
    assert.equal(await status({ 'x-csrf': '1', origin: world.origin }), 200)
  })

  test('no answer asks for https from now on', async () => {
    for (const path of ['/', '/bff/user', '/bff/login', '/api/x']) {
      const { headers } = await createExactRequest(world.origin)('GET', path, { accept: 'text/html' })
      assert.equal(headers['strict-transport-security'], undefined, path)
    }
  })
})
