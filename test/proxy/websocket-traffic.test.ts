import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import { sha256 } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

describe('what is said on a WebSocket', { concurrency: false }, () => {
  const upstream = createServer()
  const sockets = new WebSocketServer({ server: upstream, perMessageDeflate: true, maxPayload: 0 })
  let world: World
  let cookie: string
  before(async () => {
    const route = {
      path: '/ws',
      upstream: `http://127.0.0.1:${await listen(upstream, 0, '127.0.0.1')}`,
      webSocket: true,
    }
    world = await startWorld({ store: 'memory', bff: { routes: [route] } })
    const browser = world.browser()
    await browser.login()
    cookie = `bff=${browser.cookies.get('bff')?.value}`
  })
  after(async () => {
    for (const client of sockets.clients) client.terminate()
    await world.close()
    await closeServer(upstream)
  })

  /** Both ends of a new one. */
  async function open(options: { perMessageDeflate?: boolean } = {}): Promise<[near: WebSocket, far: WebSocket]> {
    const arrived = once(sockets, 'connection')
    const headers = { cookie, origin: world.origin }
    const near = new WebSocket(`${world.origin.replace('http', 'ws')}/ws/x`, { headers, maxPayload: 0, ...options })
    const [far] = await arrived
    if (near.readyState !== WebSocket.OPEN) await once(near, 'open')
    return [near, far]
  }

  const handshake = () =>
    `GET /ws/x HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nOrigin: ${world.origin}\r\nConnection: Upgrade\r\n` +
    'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

  test('at its opening is what belongs to it, and nothing that either side has no right to say', async () => {
    const add = (lines: string[]) =>
      lines.push('Set-Cookie: planted=1', 'Server: upstream', 'Strict-Transport-Security: max-age=1', 'X-More: 1')
    sockets.once('headers', add)
    const arrived = once(sockets, 'connection')
    const forged = {
      authorization: 'Bearer forged',
      'x-forwarded-for': '9.9.9.9',
      'x-real-ip': '9.9.9.9',
      x_user: 'root',
    }
    const headers = { cookie, origin: world.origin, ...forged, 'x-passes': '1' }
    const near = new WebSocket(`${world.origin.replace('http', 'ws')}/ws/x`, { headers })
    const [answer] = await once(near, 'upgrade')
    const [, request] = await arrived
    assert.deepEqual(Object.keys(answer.headers).toSorted(), [
      'connection',
      'sec-websocket-accept',
      'sec-websocket-extensions',
      'upgrade',
    ])
    assert.match(request.headers.authorization, /^Bearer (?!forged)/)
    assert.equal(request.headers['x-passes'], '1')
    assert.match(request.headers['x-forwarded-for'], /^(?:::ffff:)?127\.0\.0\.1$/)
    for (const name of ['cookie', 'x-real-ip', 'x_user']) assert.equal(request.headers[name], undefined, name)
    near.terminate()
  })

  for (const perMessageDeflate of [true, false]) {
    const how = perMessageDeflate ? 'compressed' : 'plain'
    test(`${how}: messages of all sizes arrive whole, in order, both ways`, async () => {
      const [near, far] = await open({ perMessageDeflate })
      const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000]
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const heard: string[] = []
        const all = Promise.withResolvers<void>()
        to.on('message', (data: Buffer) => {
          heard.push(sha256(data))
          if (heard.length === sizes.length) all.resolve()
        })
        const messages = sizes.map((size) => Buffer.alloc(size, `message of ${size} `))
        for (const message of messages) from.send(message)
        await all.promise
        assert.deepEqual(heard, messages.map(sha256))
      }
      near.terminate()
    })

    test(`${how}: a message in fragments, with pings between them, arrives as one`, async () => {
      const [near, far] = await open({ perMessageDeflate })
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const pinged = once(to, 'ping')
        const ponged = once(from, 'pong')
        const message = once(to, 'message')
        from.send('one ', { fin: false })
        from.ping('between')
        from.send('two ', { fin: false })
        from.send('three', { fin: true })
        assert.equal(String((await pinged)[0]), 'between')
        assert.equal(String((await ponged)[0]), 'between')
        assert.equal(String((await message)[0]), 'one two three')
      }
      near.terminate()
    })
  }

  test('a message of 30 MB waits for whoever does not read, and then arrives whole', async () => {
    const [near, far] = await open({ perMessageDeflate: false })
    const message = Buffer.alloc(30_000_000, 'much to say ')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      to.pause()
      let sent = false
      const heard = once(to, 'message')
      from.send(message, () => {
        sent = true
      })
      // Pings pass the other way meanwhile, though nothing of the message can.
      const pinged = once(from, 'ping')
      to.ping('still here')
      await pinged
      assert.equal(sent, false, 'it lies in our memory')
      to.resume()
      const [data] = await heard
      assert.equal(sha256(data), sha256(message))
    }
    near.terminate()
  })

  for (const [code, reason] of [
    [1000, ''],
    [1011, 'broke'],
    [4999, 'ours'],
  ] as const) {
    test(`a close with ${code} arrives as it was said, from either side`, async () => {
      for (const side of [0, 1] as const) {
        const ends = await open()
        const closed = ends.map((end) => once(end, 'close'))
        ends[side].close(code, reason)
        for (const [heard, why] of await Promise.all(closed)) assert.deepEqual([heard, String(why)], [code, reason])
      }
    })
  }

  test('a client that ends its half of the connection still hears the other half out', async () => {
    const said = Promise.withResolvers<Socket>()
    upstream.once('upgrade', (_request, socket: Socket) => said.resolve(socket))
    const near = connect({ port: world.relay.port, host: '127.0.0.1', allowHalfOpen: true })
    near.write(handshake())
    const far = await said.promise
    far.removeAllListeners('end') // the library would close at once
    let heard = ''
    near.on('data', (chunk) => {
      heard += chunk.toString('latin1')
    })
    near.end()
    await once(far, 'end')
    far.end(Buffer.from([0x81, 3, 0x62, 0x79, 0x65]))
    await once(near, 'close')
    assert.ok(heard.startsWith('HTTP/1.1 101 '))
    assert.ok(heard.endsWith('\x81\x03bye'))
  })

  test('what is sent with the handshake is passed on, and so is what follows at once', async () => {
    const arrived = once(sockets, 'connection')
    const socket = connect(world.relay.port, '127.0.0.1')
    const masked = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
    socket.write(Buffer.concat([Buffer.from(handshake()), masked, masked]))
    const [far] = await arrived
    const heard: string[] = []
    far.on('message', (data: Buffer) => heard.push(String(data)))
    while (heard.length < 2) await once(far, 'message')
    assert.deepEqual(heard, ['hi', 'hi'])
    socket.destroy()
    await once(far, 'close')
  })
})
