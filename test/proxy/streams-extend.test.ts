import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import { startWorld, type World } from '../support/world.ts'

const idleTimeoutSeconds = 3

/** Talked for so long, a session whose life is not put off would be over. */
const longerMs = 1_500 * idleTimeoutSeconds

/** A session that comes to its end has done so by then, in milliseconds. */
const overMs = 1_000 * idleTimeoutSeconds + 5_000

const talkMs = 100

describe('what passes on a stream that is open', { concurrency: true }, () => {
  const upstream = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
    const talking = setInterval(() => response.write('data: more\n\n'), talkMs)
    response.once('close', () => clearInterval(talking))
  })
  const sockets = new WebSocketServer({ server: upstream })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  let world: World
  before(async () => {
    const to = `http://127.0.0.1:${await listen(upstream, 0, '127.0.0.1')}`
    const routes = [
      { path: '/plain', upstream: to, webSocket: true },
      { path: '/extending', upstream: to, webSocket: true, streamsExtend: true },
    ]
    // Looked at often: to look is not to use either.
    world = await startWorld({ bff: { routes, idleTimeoutSeconds, timing: { recheck: 100 } } })
  })
  after(async () => {
    for (const client of sockets.clients) client.terminate()
    await world.close()
    await closeServer(upstream)
  })

  async function open(path: string) {
    const browser = world.browser()
    await browser.login()
    const headers = { cookie: `bff=${browser.cookies.get('bff')?.value}`, origin: world.origin }
    const socket = new WebSocket(`${world.origin.replace('http', 'ws')}${path}`, { headers })
    await once(socket, 'open')
    return { browser, socket }
  }

  test('does not keep its session from running out', async () => {
    const { socket, browser } = await open('/plain/x')
    const talking = setInterval(() => socket.send('still here'), talkMs).unref()
    const [code] = await once(socket, 'close')
    clearInterval(talking)
    assert.equal(code, 4401)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })

  test('does not on a stream of events either', async () => {
    const browser = world.browser()
    await browser.login()
    const stream = await browser.api('/plain/events')
    const began = performance.now()
    assert.match(await stream.text(), /^data: one\n\n(data: more\n\n){3}/)
    assert.ok(performance.now() - began < overMs)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })

  test('does where its route says so, and no longer than something passes', async () => {
    const { socket, browser } = await open('/extending/x')
    const closed = once(socket, 'close')
    for (const until = performance.now() + longerMs; performance.now() < until; await pause(talkMs)) {
      socket.send('still here')
      await Promise.race([once(socket, 'message'), closed.then(() => assert.fail('was closed'))])
    }
    assert.equal((await browser.api('/bff/user?slide=false')).status, 200)
    const began = performance.now()
    assert.equal((await closed)[0], 4401)
    assert.ok(performance.now() - began < overMs)
  })

  test('does on a stream of events too, and never past a logout', async () => {
    const browser = world.browser()
    await browser.login()
    const stream = await browser.api('/extending/events')
    const text = stream.text()
    await pause(longerMs)
    assert.equal((await browser.api('/bff/user?slide=false')).status, 200)
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    assert.match(await text, /^data: one\n\n(data: more\n\n){5}/)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })
})
