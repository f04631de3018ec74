import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import type { Browser } from '../support/browser.ts'
import { sha256 } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

/** Far less than the minute after which a node looks for itself, in milliseconds. */
const soonMs = 5_000

describe('a WebSocket', () => {
  const upstream = createServer((_request, response) => void response.writeHead(426).end())
  const sockets = new WebSocketServer({
    server: upstream,
    perMessageDeflate: true,
    handleProtocols: (set) => [...set][0] ?? '',
  })
  let world: World
  before(async () => {
    const port = await listen(upstream, 0, '127.0.0.1')
    const route = { path: '/ws', upstream: `http://127.0.0.1:${port}/v1`, webSocket: true }
    const plain = { path: '/plain', upstream: `http://127.0.0.1:${port}` }
    world = await startWorld({ nodes: 2, bff: { routes: [route, plain] } })
    sockets.on('connection', (socket, request) => {
      const authorization = sha256(request.headers.authorization ?? '')
      socket.send(JSON.stringify({ url: request.url, authorization, cookie: request.headers.cookie ?? null }))
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
  })
  after(async () => {
    await world.close()
    for (const client of sockets.clients) client.terminate()
    await closeServer(upstream)
  })

  async function user(): Promise<Browser> {
    const browser = world.browser()
    await browser.login()
    return browser
  }

  function open(
    browser: Browser,
    headers: Record<string, string> = {},
    path = '/ws/x?y=1',
    node = 0,
    protocols: string[] = [],
  ) {
    const cookie = `bff=${browser.cookies.get('bff')?.value ?? ''}`
    const origin = world.nodes[node]?.relay.origin.replace('http', 'ws') ?? ''
    return new WebSocket(origin + path, protocols, { headers: { cookie, origin: world.origin, ...headers } })
  }

  async function greeted(socket: WebSocket): Promise<{ url: string; authorization: string; cookie: string | null }> {
    const [data] = await once(socket, 'message')
    return JSON.parse(String(data))
  }

  /** A socket of a user in another world. */
  async function enter({ browser: newBrowser, origin }: World): Promise<WebSocket> {
    const browser = newBrowser()
    await browser.login()
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws/x`, { headers: { cookie, origin } })
    await greeted(socket)
    return socket
  }

  /** The status with which a handshake was refused. */
  async function refused(socket: WebSocket): Promise<number> {
    const [, response] = await once(socket, 'unexpected-response')
    response.socket.on('error', () => {}).destroy()
    return response.statusCode
  }

  test('is opened with the access token and without the cookie, and passes whatever is said', async () => {
    const browser = await user()
    const socket = open(browser, {}, '/ws/x?y=1', 0, ['chat'])
    const greeting = await greeted(socket)
    assert.deepEqual([greeting.url, greeting.cookie, socket.protocol], ['/v1/x?y=1', null, 'chat'])
    assert.notEqual(greeting.authorization, sha256(''))
    const large = Buffer.alloc(3_000_000, 'frame')
    for (const message of ['hello', '', large]) {
      socket.send(message)
      const [echo] = await once(socket, 'message')
      assert.equal(Buffer.compare(Buffer.from(echo), Buffer.from(message)), 0)
    }
    socket.ping('still there?')
    const [pong] = await once(socket, 'pong')
    assert.equal(String(pong), 'still there?')
    socket.close(4000, 'enough')
    assert.equal((await once(socket, 'close'))[0], 4000)
  })

  test('from another origin, from none, or without a session is not opened, and the upstream is not asked', async () => {
    const browser = await user()
    let opened = 0
    const count = () => {
      opened += 1
    }
    sockets.on('connection', count)
    const cases: [Record<string, string>, number][] = [
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: 'http://localhost:1' }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site' }, 403],
      [{ cookie: 'bff=forged' }, 401],
      [{ cookie: '' }, 401],
    ]
    for (const [headers, status] of cases)
      assert.equal(await refused(open(browser, headers)), status, JSON.stringify(headers))
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const none = new WebSocket(`${world.origin.replace('http', 'ws')}/ws/x`, { headers: { cookie } })
    assert.equal(await refused(none), 403)
    sockets.off('connection', count)
    assert.equal(opened, 0)
  })

  test('on a route that takes none is a plain request', async () => {
    assert.equal(await refused(open(await user(), { 'x-csrf': '1' }, '/plain/x')), 426)
  })

  test('is closed with 4401 when its session ends, on whichever node', async () => {
    const browser = await user()
    const both = [open(browser, {}, '/ws/a', 0), open(browser, {}, '/ws/b', 1)]
    await Promise.all(both.map(greeted))
    const closed = Promise.all(both.map((socket) => once(socket, 'close')))
    const began = performance.now()
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    for (const [code, reason] of await closed) assert.deepEqual([code, String(reason)], [4401, 'session ended'])
    assert.ok(performance.now() - began < soonMs)
    assert.equal(await refused(open(browser)), 401)
  })

  test('is closed when its session runs out by itself', async () => {
    await using other = await startWorld({ bff: { routes: world.options.routes, idleTimeoutSeconds: 3 } })
    const socket = await enter(other)
    assert.equal((await once(socket, 'close'))[0], 4401)
  })

  test('is closed with 1001 when its node goes away', async () => {
    await using other = await startWorld({ bff: { routes: world.options.routes } })
    const socket = await enter(other)
    const closed = once(socket, 'close')
    await other.nodes[0]?.bff.close()
    assert.equal((await closed)[0], 1001)
  })

  test('goes when either side breaks off', async () => {
    const browser = await user()
    const socket = open(browser)
    await greeted(socket)
    const [far] = [...sockets.clients].slice(-1)
    assert.ok(far)
    const gone = once(far, 'close')
    socket.terminate()
    await gone
    const second = open(browser)
    await greeted(second)
    const closed = once(second, 'close')
    for (const client of sockets.clients) client.terminate()
    assert.equal((await closed)[0], 1006)
  })
})
