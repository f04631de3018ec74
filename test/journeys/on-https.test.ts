import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWorld } from '../support/world.ts'

test('on https every cookie is a Secure __Host- cookie, whatever the request that arrives looks like', async () => {
  await using world = await startWorld({ https: true })
  const browser = world.browser()
  const landed = await browser.login('alice', { returnUrl: '/there' })
  assert.equal(landed.url, `${world.origin}/there`)

  const forged = { 'x-forwarded-proto': 'http', forwarded: 'proto=http' }
  const user = await browser.api('/bff/user', { headers: forged })
  assert.equal(user.status, 200)
  assert.match(user.headers.get('strict-transport-security') ?? '', /max-age/)
  const out = await browser.api('/bff/logout', { method: 'POST', headers: forged })
  assert.ok(out.headers.getSetCookie().includes('__Host-bff=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict'))

  const lines = [...browser.visits.map(({ headers }) => headers), out.headers]
    .flatMap((headers) => headers.getSetCookie())
    .filter((line) => /bff/.test(line))
  assert.ok(lines.some((line) => /^__Host-bff=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/.test(line)))
  assert.ok(lines.some((line) => /^__Host-bff-login-[\w-]+=[\w.-]+; Max-Age=600; /.test(line)))
  for (const line of lines) {
    assert.match(line, /^__Host-.*Path=\/; HttpOnly; Secure; SameSite=(Strict|Lax)$/)
    assert.doesNotMatch(line, /domain/i)
  }
})
