import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { listen } from '../../demo/listen.ts'
import { startWorld } from '../support/world.ts'

/** Less than the ten seconds of the HTTP client's own. */
const soonMs = 8_000

test('an upstream with which no connection comes about is too late, by the time its route gives it or else by that of all', async (context) => {
  // Accepts, and never says a word: a handshake of TLS does not end.
  const mute = createServer((socket) => socket.on('error', () => {}).resume())
  // Only http servers are given to `listen`; it asks for nothing that net's have not.
  const upstream = `https://localhost:${await listen(mute as Parameters<typeof listen>[0], 0, '127.0.0.1')}`
  context.after(() => void mute.close())
  const limited = { path: '/limited', upstream, timeouts: { connect: 0.2 } }
  for (const [route, timing] of [
    [limited, { connect: 60_000 }],
    [{ path: '/plain', upstream }, { connect: 200 }],
  ] as const) {
    await using world = await startWorld({ store: 'memory', bff: { routes: [route], timing } })
    const browser = world.browser()
    await browser.login()
    const began = performance.now()
    const response = await browser.api(`${route.path}/x`)
    assert.deepEqual([response.status, (await response.json()).code], [504, 'upstream_timeout'])
    assert.ok(performance.now() - began < soonMs)
  }
})
