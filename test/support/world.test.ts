import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordingDirectory } from './recording-directory.ts'
import type { Echo } from './upstream.ts'
import { startWorld } from './world.ts'

for (const store of ['redis', 'memory'] as const) {
  test(`a browser logs in, calls the API and logs out in a world with the ${store} store`, async () => {
    await using world = await startWorld({ store })
    const browser = world.browser()
    assert.equal((await browser.api('/api/orders')).status, 401)
    const landed = await browser.login('alice', { returnUrl: '/there?x=1' })
    assert.equal(landed.url, `${world.origin}/there?x=1`)

    const called = await browser.api('/api/orders?y=2')
    // The upstream is ours.
    const echo = (await called.json()) as Echo
    assert.equal(called.status, 200)
    assert.equal(echo.url, '/orders?y=2')
    assert.match(echo.authorizationSha256 ?? '', /^[0-9a-f]{64}$/)
    assert.equal(world.upstream.requests, 1)

    const user = (await (await browser.api('/bff/user')).json()) as { logoutUrl: string; claims: { sub: string } }
    assert.equal(user.claims.sub, 'user-alice')
    const end = await browser.logout(user.logoutUrl)
    assert.equal(new URL(end.url).origin, world.origin)
    assert.equal((await browser.api('/bff/user')).status, 401)
    assert.equal(world.provider.counts.logout, 1)

    const received = readdirSync(recordingDirectory())
      .filter((name) => name.startsWith(`connection-${process.pid}-`))
      .map((name) => readFileSync(join(recordingDirectory(), name), 'latin1'))
    assert.ok(
      received.some((text) => text.includes('"sub":"user-alice"')),
      'the relay recorded what the browser got',
    )
    assert.ok(world.log.some(({ msg }) => msg === 'login_succeeded'))
  })
}

test('two tabs may be at the login form at once', async () => {
  await using world = await startWorld({ store: 'memory' })
  const browser = world.browser()
  const [first, second] = [await browser.startLogin({ returnUrl: '/a' }), await browser.startLogin({ returnUrl: '/b' })]
  assert.equal((await browser.finishLogin(first)).url, `${world.origin}/a`)
  assert.equal((await browser.finishLogin(second)).url, `${world.origin}/b`)
})

test('two nodes of a world share their sessions', async () => {
  await using world = await startWorld({ nodes: 2, hurried: true })
  const browser = world.browser()
  await browser.login()
  for (const { relay } of world.nodes) {
    const response = await browser.api(`${relay.origin}/api/x`)
    assert.equal(response.status, 200)
  }
})
