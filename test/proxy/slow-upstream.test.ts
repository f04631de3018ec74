import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'
import { isWhole, openLine, signInLines } from './raw-peers.ts'

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

/** More than the buffers between an upstream and a client that does not read. */
const large = Buffer.alloc(24_000_000, 'line\n')

/** What a route's responses may be silent for here, in milliseconds. */
const idleMs = 200

describe('a response of which nothing more comes', () => {
  const disposal = new AsyncDisposableStack()
  let upstream: Upstream
  let world: World
  let browser: Browser
  before(async () => {
    upstream = disposal.use(await startUpstream())
    upstream.onRequest(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', upstream.url)
      response.writeHead(200, { 'content-type': searchParams.get('type') ?? 'text/plain' })
      if (pathname === '/begin') response.write('data: one\n\n')
      if (pathname === '/large') response.end(large)
      if (pathname === '/steadily') {
        for (let i = 0; i < 12; i++) {
          response.write('x')
          await pause(idleMs / 4)
        }
        response.end()
      }
      return true
    })
    const routes = [
      { path: '/api', upstream: upstream.url },
      { path: '/limited', upstream: upstream.url, timeouts: { idle: idleMs / 1000 } },
    ]
    world = disposal.use(await startWorld({ store: 'memory', bff: { routes, timing: { idleBody: idleMs } } }))
    browser = world.browser()
    await browser.login()
  })
  after(() => disposal.disposeAsync())

  async function cutOff(path: string, accept = '*/*') {
    const response = await browser.api(path, { headers: { accept } })
    await assert.rejects(response.text())
  }

  /** Twice as long as it takes to find that nothing comes. */
  async function longEnough() {
    await cutOff('/api/begin')
    await cutOff('/api/begin')
  }

  for (const accept of ['*/*', 'text/event-stream']) {
    test(`is cut off, if it was asked for with Accept: ${accept}`, () => cutOff('/api/begin', accept))

    test(`is left open if it is of events, and was asked for with Accept: ${accept}`, async () => {
      const leave = new AbortController()
      const events = await browser.api('/api/begin?type=text/event-stream', {
        headers: { accept },
        signal: leave.signal,
      })
      const ended = events.text().then(
        () => 'ended',
        () => 'ended',
      )
      await longEnough()
      assert.equal(await Promise.race([ended, browser.get('/nothing').then(() => 'open')]), 'open')
      leave.abort()
      await ended
    })
  }

  test('is cut off even if it is of events, where its route says how long it may be silent', () =>
    cutOff('/limited/begin?type=text/event-stream', 'text/event-stream'))

  test('is not cut off as long as something comes', async () => {
    const response = await browser.api('/api/steadily')
    assert.equal(await response.text(), 'x'.repeat(12))
  })

  test('is not cut off while it is the client that does not read, which has time of its own', async () => {
    const routes = [{ path: '/api', upstream: upstream.url, timeouts: { idle: idleMs / 1000 } }]
    await using patient = await startWorld({ store: 'memory', bff: { routes } })
    const line = await openLine(patient.relay.port)
    line.socket.pause()
    line.socket.write(
      `GET /api/large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${await signInLines(patient)}\r\n`,
    )
    await longEnough()
    line.socket.resume()
    await line.closed()
    assert.ok(isWhole(line.text))
  })
})
