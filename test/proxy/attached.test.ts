import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { after, before, describe, type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBff } from '../../src/index.ts'
import { createCertificate } from '../support/certificate.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { type Embedding, startEmbedding } from './embedding.ts'
import { talk } from './raw-peers.ts'

describe('attached to a server of somebody else', { concurrency: false }, () => {
  let at: Embedding
  before(async () => {
    at = await startEmbedding()
  })
  after(() => at[Symbol.asyncDispose]())

  test('answers a CONNECT that nobody else would, and on our routes alone where somebody does', async () => {
    const alone = await at.serve(at.bff.handle, at.bff.attach)
    for (const target of ['a.example:443', '/api/x']) assert.deepEqual(await tunnel(alone.port, target), [405])
    const tunnels = await at.serve(at.bff.handle, (server) => {
      at.bff.attach(server)
      server.on('connect', ({ url }, socket) => void (url !== '/api/x' && socket.end('HTTP/1.1 200 OK\r\n\r\n')))
    })
    assert.deepEqual(await tunnel(tunnels.port, 'a.example:443'), [200])
    assert.deepEqual(await tunnel(tunnels.port, '/api/x'), [405])
  })

  test('refuses a handshake that does not ask for its connection, and tells nobody to attach', async () => {
    const { port } = await at.serve(at.bff.handle, at.bff.attach)
    const own = `Host: localhost\r\nCookie: ${at.cookie}\r\nX-CSRF: 1\r\nOrigin: ${at.world.origin}\r\n`
    at.said.length = 0
    const { statuses } = await talk(
      port,
      `GET /live/x HTTP/1.1\r\n${own}Upgrade: websocket\r\nConnection: close\r\n\r\n`,
    )
    assert.deepEqual(statuses, [400])
    assert.equal(at.said.filter(({ msg }) => msg === 'upgrade_not_attached').length, 0)
  })

  /** A BFF that a test may close, attached to a server that does not listen yet. */
  async function attachOwn(t: TestContext) {
    const own = createBff(at.options, createRecordedLog())
    const server = createServer(own.handle)
    t.after(() => closeServer(server))
    own.attach(server)
    await own.ready()
    return { own, server }
  }

  /** A call whose upstream has heard it, and takes its time; it echoes the next ones. */
  async function askSlow(origin: string) {
    const slow = Promise.withResolvers<ServerResponse>()
    at.world.upstream.onRequest((_request, response) => {
      slow.resolve(response)
      return true
    })
    const answer = fetch(`${origin}/api/slow`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })
    const upstream = await slow.promise
    at.world.upstream.onRequest(() => false)
    return { answer, upstream }
  }

  test('that is told to close, close ends what is open there and waits for what is under way', async (t) => {
    const { own, server } = await attachOwn(t)
    const origin = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`
    const socket = await open(origin, '/live/x')
    at.world.upstream.onRequest((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
      return true
    })
    const events = await fetch(`${origin}/api/events`, { headers: { cookie: at.cookie, 'x-csrf': '1' } })
    const { answer, upstream } = await askSlow(origin)
    const left = once(socket, 'close')
    server.close()
    const closed = own.close()
    assert.equal(await events.text(), 'data: one\n\n')
    assert.equal((await left)[0], 1001)
    upstream.end('answered')
    assert.equal(await (await answer).text(), 'answered')
    await closed
    assert.equal(server.listening, false)
  })

  const servers = {
    'in plain': {
      create: (handle: RequestListener) => createServer(handle),
      reach: (port: number) => connect(port, '127.0.0.1'),
    },
    'over TLS': {
      create: (handle: RequestListener) => createTlsServer(createCertificate(), handle),
      reach: (port: number) => connectTls(port, '127.0.0.1', { rejectUnauthorized: false }),
    },
  }
  for (const [how, { create, reach }] of Object.entries(servers)) {
    test(`that is told to close, an answer of its own that a slow client has yet to take arrives whole, ${how}`, async (t) => {
      const own = createBff(at.options, createRecordedLog())
      const bytes = 30_000_000
      const written = Promise.withResolvers<void>()
      const server = create((_request, response) => {
        response.end(Buffer.alloc(bytes))
        written.resolve()
      })
      t.after(() => closeServer(server))
      own.attach(server)
      const client = reach(await listen(server, 0, '127.0.0.1'))
      client.write('GET /of-theirs HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await written.promise
      server.close()
      const closed = own.close()
      let taken = 0
      client.on('error', () => {}) // what has been taken by then says enough
      client.on('data', (chunk: Buffer) => {
        taken += chunk.length
      })
      await once(client, 'close')
      assert.ok(taken > bytes, `${taken} bytes`)
      await closed
    })
  }

  test('that was closed and listens again is waited for as it was before', async (t) => {
    const { own, server } = await attachOwn(t)
    await listen(server, 0, '127.0.0.1')
    await closeServer(server)
    const origin = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`
    const socket = await open(origin, '/live/x')
    const { answer, upstream } = await askSlow(origin)
    const left = once(socket, 'close')
    server.close()
    const closed = own.close()
    await left
    upstream.end('answered')
    assert.equal(await (await answer).text(), 'answered')
    await closed
  })

  test('that asks for bodies itself where they are not ours, each request is handled once', async () => {
    const handled: string[] = []
    const { port } = await at.serve(
      (request, response) => {
        handled.push(request.url ?? '')
        at.bff.handle(request, response)
      },
      (server) => {
        at.bff.attach(server)
        server.on('checkContinue', (request, response) => {
          if (request.url !== '/own') return
          handled.push('asked')
          response.end()
        })
      },
    )
    for (const path of ['/own', '/api/x']) {
      assert.equal((await postWhenAsked(port, path)).at(-1), 200)
    }
    assert.deepEqual(handled, ['asked', '/api/x'])
  })

  test('leaves it to the server what may be upgraded, where that is not ours', async () => {
    const asked: string[] = []
    const shouldUpgradeCallback = ({ url = '' }: IncomingMessage) => {
      asked.push(url)
      return url === '/own'
    }
    const { port, origin } = await at.serve(
      at.bff.handle,
      (server) => {
        at.bff.attach(server)
        server.on('upgrade', ({ url }, socket) => void (url === '/own' && socket.end('HTTP/1.1 101 Own\r\n\r\n')))
      },
      { shouldUpgradeCallback },
    )
    const head = 'HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    assert.deepEqual((await talk(port, `GET /own ${head}`)).statuses, [101])
    assert.deepEqual((await talk(port, `GET /other ${head}`)).statuses, [404])
    const socket = await open(origin, '/live/x')
    socket.terminate()
    assert.deepEqual(asked, ['/own', '/other'])
  })

  test('beside another one answers for its own routes, and one of them for what belongs to none', async (t) => {
    const routes = at.options.routes.map((route) => ({ ...route, path: `/other${route.path}` }))
    const other = createBff({ ...at.options, routes }, createRecordedLog())
    t.after(() => other.close())
    const handled: string[] = []
    const { port, origin } = await at.serve(
      (request, response) => {
        handled.push(request.url ?? '')
        at.bff.router(request, response, () => other.handle(request, response))
      },
      (server) => {
        at.bff.attach(server)
        other.attach(server)
      },
    )
    for (const path of ['/live/x', '/other/live/x']) {
      const socket = await open(origin, path)
      socket.terminate()
    }
    assert.deepEqual(await postWhenAsked(port, '/api/x'), [100, 200])
    assert.deepEqual(await postWhenAsked(port, '/other/api/x'), [100, 200])
    assert.deepEqual(await postWhenAsked(port, '/nothing'), [100, 404])
    assert.deepEqual(handled, ['/api/x', '/other/api/x', '/nothing'])
    for (const target of ['/api/x', '/other/api/x', 'a.example:443']) {
      assert.deepEqual(await tunnel(port, target), [405], target)
    }
    assert.deepEqual((await talk(port, 'garbage\r\n\r\n')).statuses, [400])
  })

  async function open(origin: string, path: string): Promise<WebSocket> {
    const headers = { cookie: at.cookie, origin: at.world.origin }
    const socket = new WebSocket(origin.replace('http', 'ws') + path, { headers })
    await once(socket, 'open')
    return socket
  }

  const tunnel = async (port: number, target: string) =>
    (await talk(port, `CONNECT ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).statuses

  /** Posts a body that waits to be asked for, if not for long. @returns the statuses of all answers */
  async function postWhenAsked(port: number, path: string): Promise<number[]> {
    const own = `Host: localhost\r\nCookie: ${at.cookie}\r\nX-CSRF: 1\r\nConnection: close\r\n`
    const head = `POST ${path} HTTP/1.1\r\n${own}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`
    return (await talk(port, `${head}body`)).statuses
  }
})
