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

test('a body that stalls breaks off, and one of events that was asked for as such does not, unless its route says so', async () => {
  await using upstream = await startUpstream()
  upstream.onRequest((request, response) => {
    const type = request.url === '/text' ? 'text/plain' : 'text/event-stream'
    response.writeHead(200, { 'content-type': type }).write('data: one\n\n')
    return true
  })
  const routes = [
    { path: '/api', upstream: upstream.url },
    { path: '/limited', upstream: upstream.url, timeouts: { idle: 0.2 } },
  ]
  await using world = await startWorld({ store: 'memory', bff: { routes, timing: { idleBody: 200 } } })
  const browser = world.browser()
  await browser.login()
  const leave = new AbortController()
  const ask = async (path: string, accept: string) =>
    (await browser.api(path, { headers: { accept }, signal: leave.signal })).text()

  const accepted = ['text/event-stream', 'application/json, text/event-stream;q=0.9']
  const silent = accepted.map((accept) => ask('/api/events', accept))
  const ended = Promise.race(silent).then(
    () => 'ended',
    () => 'ended',
  )
  await Promise.all([
    assert.rejects(ask('/api/text', '*/*')),
    assert.rejects(ask('/limited/events', 'text/event-stream')),
  ])
  // Twice as long as it takes to find that another one has stalled.
  await assert.rejects(ask('/api/text', '*/*'))
  assert.equal(await Promise.race([ended, browser.get('/nothing').then(() => 'open')]), 'open')
  leave.abort()
  await ended
})
