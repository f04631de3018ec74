import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Account } from '../../demo/accounts.ts'
import { type Provider, startProvider } from '../../demo/provider.ts'
import { createRegistration } from '../../demo/registration.ts'
import { type Timing, timingSchema } from '../../src/timing.ts'
import { freePort } from '../support/free-port.ts'
import type { Random } from '../support/random.ts'
import { type OwnRedis, startRedis } from '../support/redis.ts'
import { type Relay, startRelay } from '../support/relay.ts'
import { startApi } from './api.ts'
import { type ChaosNode, createChaosNode } from './chaos-node.ts'
import { createHistory, type History } from './history.ts'
import { startTokenGate, type TokenGate } from './token-gate.ts'

/** Everything a run needs, and all that can be made to fail. */
export interface Stage extends AsyncDisposable {
  history: History
  timing: Timing
  /** `publicUrl` of all nodes: a relay that logins go through. */
  origin: string
  front: Relay
  nodes: readonly ChaosNode[]
  /** One for each node: to Redis, and to the token endpoint. */
  toRedis: readonly Relay[]
  toProvider: readonly Relay[]
  redis: OwnRedis
  gate: TokenGate
}

export interface StageOptions {
  nodes: number
  users: number
  random: Random
  /** The program of the nodes, without the arguments that load what reports stalls. @default `coatcheck serve` */
  program?: readonly string[]
  leewayMs?: number
}

/** Life of an access token: short, so that a session refreshes every second or two. */
export const accessTokenSeconds = 3

const serve = [join(import.meta.dirname, '../../src/main.ts'), 'serve']

export async function startStage({
  nodes,
  users,
  random,
  program = serve,
  leewayMs = 0,
}: StageOptions): Promise<Stage> {
  await using started = new AsyncDisposableStack()
  const timing = timingSchema.parse(tenthOfTiming())
  const { lease, grace, ask } = timing
  const history = createHistory({ lease, grace, ask, answer: timing.waiter + 3_500 })

  const redis = started.use(await startRedis())
  const front = started.use(await startRelay())
  const many = <T>(make: (index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: nodes }, (_, index) => make(index)))
  const toRedis = await many(async () =>
    started.use(await startRelay({ target: { host: '127.0.0.1', port: redis.port } })),
  )
  const toProvider = await many(async () => started.use(await startRelay()))

  const clientSecret = randomBytes(32).toString('base64url')
  const starts = createQueue()
  const discovery = { asks: 0, answer: '' }
  const provider = await startProvider({
    clients: [createRegistration({ publicUrl: front.origin, clientSecret })],
    accounts: Array.from({ length: users }, (_, index) => account(`user-${index}`)),
    accessTokenSeconds,
    intercept(request, response) {
      if (request.url !== '/.well-known/openid-configuration' || discovery.answer === '') return false
      // Nodes start one after another, so that each can be told of a token endpoint of its own.
      const own = `http://127.0.0.1:${toProvider[discovery.asks]?.port}`
      const metadata = {
        ...JSON.parse(discovery.answer),
        token_endpoint: `${own}/token`,
        revocation_endpoint: `${own}/revocation`,
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata))
      return true
    },
  })
  started.defer(() => provider.close())
  discovery.answer = await discover(provider)

  const nodeOf = (host: string | undefined) => toProvider.findIndex(({ port }) => host === `127.0.0.1:${port}`)
  const gate = started.use(await startTokenGate({ history, random, issuer: provider.issuer, nodeOf, leewayMs }))
  for (const relay of toProvider) relay.forwardTo({ host: '127.0.0.1', port: gate.port })
  const api = started.use(await startApi(history, gate.hasIssued))

  const sessionSecret = randomBytes(32).toString('base64url')
  const stallReport = join(import.meta.dirname, 'stall-report.ts')
  const running = await many(async (index) => {
    const port = await freePort()
    const env = {
      PATH: process.env['PATH'],
      BFF_PUBLIC_URL: front.origin,
      BFF_PORT: String(port),
      BFF_ISSUER: provider.issuer,
      BFF_CLIENT_ID: 'coatcheck-demo',
      BFF_CLIENT_SECRET: clientSecret,
      BFF_SESSION_SECRET: sessionSecret,
      BFF_REDIS_URL: `redis://127.0.0.1:${toRedis[index]?.port}`,
      BFF_REDIS_PREFIX: 'chaos',
      BFF_ROUTES: JSON.stringify([{ path: '/api', upstream: api.url }]),
      BFF_TIMING: JSON.stringify(timing),
    }
    const inTurn = (start: () => Promise<void>) =>
      starts(async () => {
        discovery.asks = index
        await start()
      })
    return started.use(
      createChaosNode({ index, port, program: ['--import', stallReport, ...program], env, history, inTurn }),
    )
  })
  await Promise.all(running.map((node) => node.start()))

  const stage = started.move()
  return {
    history,
    timing,
    origin: front.origin,
    front,
    nodes: running,
    toRedis,
    toProvider,
    redis,
    gate,
    [Symbol.asyncDispose]: () => stage.disposeAsync(),
  }
}

/** All of the product's deadlines divided by ten: the relations between them stay. */
function tenthOfTiming(): Record<string, number> {
  return Object.fromEntries(Object.entries(timingSchema.parse({})).map(([name, ms]) => [name, ms / 10]))
}

function account(name: string): Account {
  const email = `${name}@coatcheck.example`
  const claims = { sub: name, name, email, email_verified: true, preferred_username: name, picture: 'data:,' }
  return { username: name, password: name, claims }
}

async function discover({ issuer }: Provider): Promise<string> {
  return await (await fetch(`${issuer}/.well-known/openid-configuration`)).text()
}

/** Runs what it is given one after another. */
function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => undefined)
    return done
  }
}
