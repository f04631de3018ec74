import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistration } from '../../demo/registration.ts'
import { startWorld } from '../support/world.ts'

test('on https every cookie is a Secure __Host- cookie, whatever the request that arrives looks like', async () => {
  const publicUrl = 'https://app.example'
  const clientSecret = 'a-client-secret-for-one-test'
  await using world = await startWorld({
    bff: { publicUrl, clientSecret },
    provider: { clients: [createRegistration({ publicUrl, clientSecret })] },
  })
  // Its own address is plain http, as behind a proxy that terminates TLS and says nothing of it.
  const browser = world.browser()
  const begun = await browser.get('/bff/login')
  const page = await fetch(begun.headers.get('location') ?? '', { redirect: 'manual' })
  const loginCookies = begun.headers.getSetCookie()
  assert.match(
    loginCookies.join(),
    /^__Host-bff-login-[\w-]+=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )

  const callback = await loginAtProvider(page)
  assert.ok(callback.startsWith(`${publicUrl}/bff/callback?`))
  const cookie = loginCookies.map((line) => line.split(';')[0]).join('; ')
  const headers = { cookie, 'x-forwarded-proto': 'http' }
  const ended = await fetch(world.origin + callback.slice(publicUrl.length), { headers, redirect: 'manual' })
  assert.equal(ended.status, 302)
  const session = ended.headers.getSetCookie().find((line) => line.startsWith('__Host-bff='))
  assert.match(session ?? '', /^__Host-bff=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
  assert.match(ended.headers.get('strict-transport-security') ?? '', /max-age/)

  const mine = { cookie: session?.split(';')[0] ?? '', 'x-csrf': '1' }
  assert.equal((await fetch(`${world.origin}/bff/user`, { headers: mine })).status, 200)
  const out = await fetch(`${world.origin}/bff/logout`, { method: 'POST', headers: mine })
  assert.ok(out.headers.getSetCookie().includes('__Host-bff=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict'))
  for (const line of out.headers.getSetCookie()) assert.match(line, /^__Host-.*Path=\/; HttpOnly; Secure; SameSite=/)
})

/** Follows the provider's redirects and form, and returns the address it sends the browser back to. */
async function loginAtProvider(first: Response): Promise<string> {
  const jar = new Map<string, string>()
  let response = first
  for (;;) {
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      jar.set(pair.slice(0, pair.indexOf('=')), pair)
    }
    const headers = { cookie: [...jar.values()].join('; ') }
    const location = response.headers.get('location')
    if (location?.startsWith('https://')) return location
    if (location !== null) {
      response = await fetch(new URL(location, response.url), { headers, redirect: 'manual' })
    } else {
      const form = /<form[^>]*action="([^"]+)"/.exec(await response.text())
      const body = new URLSearchParams({ username: 'alice', password: 'alice' })
      const action = new URL(form?.[1] ?? '', response.url)
      response = await fetch(action, { method: 'POST', headers, body, redirect: 'manual' })
    }
  }
}
