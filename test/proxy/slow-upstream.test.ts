import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startUpstream } from '../support/upstream.ts'
import { startWorld } from '../support/world.ts'

/** How many of each: more than anybody would put into a pool of connections. */
const many = 100

/** Far more than a hundred ordinary calls take, far less than one that waits for a call that is never answered. */
const soonMs = 5_000

test('a hundred event streams and a hundred unanswered calls hold up no other call, on their upstream or another', async () => {
  await using busy = await startUpstream()
  await using quick = await startUpstream()
  const routes = [
    { path: '/busy', upstream: busy.url },
    { path: '/quick', upstream: quick.url },
  ]
  await using world = await startWorld({ store: 'memory', bff: { routes } })
  const browser = world.browser()
  await browser.login()
  const leave = new AbortController()
  const waiting = Promise.withResolvers<void>()
  let unanswered = 0
  busy.onRequest((request, response) => {
    if (request.url === '/events')
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
    if (request.url === '/never') unanswered += 1
    if (unanswered === many) waiting.resolve()
    return request.url !== '/x'
  })

  const times = <T>(each: () => Promise<T>) => Promise.all(Array.from({ length: many }, each))
  const streams = await times(() => browser.api('/busy/events', { signal: leave.signal }))
  for (const { status } of streams) assert.equal(status, 200)
  const never = times(() => browser.api('/busy/never', { signal: leave.signal }).catch(() => null))
  await waiting.promise

  for (const path of ['/quick/x', '/busy/x']) {
    const signal = AbortSignal.timeout(soonMs)
    for (const { status } of await times(() => browser.api(path, { signal }))) assert.equal(status, 200)
  }

  leave.abort()
  await never
  await Promise.all(streams.map(({ body }) => body?.cancel().catch(() => undefined)))
})
