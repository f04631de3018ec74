import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { closeServer, listen } from '../../demo/listen.ts'
import { type Bff, type BffOptions, createBff } from '../../src/index.ts'
import { createRecordedLog, type LogLine } from '../support/recorded-log.ts'
import { startRecordingRelay } from '../support/recording-relay.ts'
import type { Relay } from '../support/relay.ts'
import { startWorld, type World } from '../support/world.ts'
import { ask, type RawUpstream } from './raw-peers.ts'

/** A BFF that is part of somebody else's program. */
export interface Embedding extends AsyncDisposable {
  /** Shares its store; `/api` lies under both. */
  world: World
  /** Of a user that is logged in. */
  cookie: string
  /**
   * What it is configured with: its routes are `/api`, `/cookies`, whose upstream may set `theirs`, and `/live`, which
   * echoes what WebSockets say.
   */
  options: BffOptions
  bff: Bff
  /** What it has logged. */
  said: LogLine[]
  /** Where the server of a program is reached; it is closed with all the rest. */
  serve(handler: RequestListener, prepare?: (server: Server) => void, options?: ServerOptions): Promise<Relay>
}

export async function startEmbedding(): Promise<Embedding> {
  await using started = new AsyncDisposableStack()
  const world = started.use(await startWorld())
  const upstream = createServer()
  const echo = new WebSocketServer({ server: upstream })
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  const live = `http://127.0.0.1:${await listen(upstream, 0, '127.0.0.1')}`
  started.defer(() => closeServer(upstream))
  started.defer(() => {
    for (const client of echo.clients) client.terminate()
  })
  const { log, lines } = createRecordedLog()
  const routes = [
    ...world.options.routes,
    { path: '/live', upstream: live, webSocket: true },
    { path: '/cookies', upstream: world.upstream.url, responseCookies: ['theirs'] },
  ]
  const configured = { ...world.options, routes }
  const bff = createBff(configured, { log })
  started.defer(() => bff.close())
  await bff.ready()
  const browser = world.browser()
  await browser.login()
  const running = started.move()
  return {
    world,
    cookie: `bff=${browser.cookies.get('bff')?.value}`,
    options: configured,
    bff,
    said: lines,
    async serve(handler, prepare = () => undefined, options = {}) {
      const server = createServer(options, handler)
      prepare(server)
      const relay = running.use(await startRecordingRelay())
      relay.forwardTo({ host: '127.0.0.1', port: await listen(server, 0, '127.0.0.1') })
      running.defer(() => closeServer(server))
      return relay
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** A server before a BFF, with nothing between its clients and it that would change when what they send arrives. */
export interface DirectServer extends AsyncDisposable {
  server: Server
  port: number
}

export async function startDirectServer(bff: Pick<Bff, 'handle' | 'attach'>): Promise<DirectServer> {
  const server = createServer(bff.handle)
  bff.attach(server)
  return {
    server,
    port: await listen(server, 0, '127.0.0.1'),
    [Symbol.asyncDispose]: () => closeServer(server),
  }
}

/** Both ends of a request that the upstream has heard, and the server's own of its connection. */
export async function askDirectly(
  { server, port }: Pick<DirectServer, 'server' | 'port'>,
  raw: RawUpstream,
  request: string,
) {
  const accepted = once(server, 'connection')
  const ends = await ask(raw, request, port)
  const [near]: Socket[] = await accepted
  assert.ok(near)
  return { ...ends, near }
}
