import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { startWorld } from '../support/world.ts'

/** The Set-Cookie line that the last login gave this browser its session by. */
function sessionLineOf(browser: Browser): string {
  const lines = browser.visits.flatMap(({ headers }) => headers.getSetCookie())
  return lines.findLast((line) => /^bff=[^;]/.test(line)) ?? ''
}

test('the session cookie goes when the browser is closed, unless it shall be remembered', async () => {
  await using world = await startWorld()
  const browser = world.browser()
  await browser.login()
  assert.match(sessionLineOf(browser), /^bff=[^;]+; Path=\/; HttpOnly; SameSite=Strict$/)
})

test('a remembered session’s cookie stays for as long as the session may, and no longer', async () => {
  await using world = await startWorld({ bff: { remember: true, absoluteTimeoutSeconds: 7_200 } })
  const browser = world.browser()
  await browser.login()
  const [, expires = ''] = /; Expires=([^;]+);/.exec(sessionLineOf(browser)) ?? []
  const seconds = (Date.parse(expires) - Date.now()) / 1000
  assert.ok(seconds > 7_180 && seconds <= 7_201, sessionLineOf(browser))
  const user = await browser.api('/bff/user')
  assert.equal(user.status, 200)
  assert.deepEqual(user.headers.getSetCookie(), [], 'use does not push it out')
  await browser.api('/bff/logout', { method: 'POST' })
  assert.equal(browser.cookies.has('bff'), false)
})
