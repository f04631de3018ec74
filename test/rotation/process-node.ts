import { createHmac, randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from 'redis'
import { deriveKey } from '../../src/secrets.ts'
import { refOf } from '../../src/session/reference.ts'
import { scripts } from '../../src/storage/scripts.ts'
import type { Timing } from '../../src/timing.ts'
import { antiForgeryHeader } from '../../src/wire.ts'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'
import type { LogLine } from '../support/recorded-log.ts'
import { recordingDirectory } from '../support/recording-directory.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { type RedisGate, startRedisGate } from './redis-gate.ts'
import { type RotatingProvider, type RotationPolicy, startRotatingProvider } from './rotating-provider.ts'
import { createDeployment, type Deployment, startTokenNode, type TokenNode, until } from './token-node.ts'

/**
 * A store command is not given up because the process of the test stands still for a moment, through which it goes; and
 * what has to be longer than that.
 */
const roomForTheGate = {
  store: 1_000,
  lease: 3_100,
  sure: 2_000,
  storeBudget: 2_000,
  grace: 1_300,
  ask: 8_000,
  askAgain: 8_000,
  waiter: 20_000,
} satisfies Partial<Timing>

const main = join(import.meta.dirname, '../../src/main.ts')

/** A node as it runs in production: `coatcheck serve`, a process of its own. */
export interface ProcessNode {
  origin: string
  /** Its way to Redis. */
  gate: RedisGate
  log(): LogLine[]
  /**
   * Status of an API call with this session's cookie; 0 when the connection broke.
   * @param api `orders` is the one that has an access token of its own
   */
  call(session: ProcessSession, signal?: AbortSignal | null, api?: 'api' | 'orders'): Promise<number>
  signal(name: NodeJS.Signals): void
  kill(): Promise<void>
  ended: Promise<number>
}

export interface ProcessSession {
  ref: string
  cookie: string
}

/** Two processes, one Redis, a provider, an API, and a node of this process to look at the store with. */
export interface Cluster extends AsyncDisposable {
  provider: RotatingProvider
  upstream: Upstream
  deployment: Deployment
  a: ProcessNode
  b: ProcessNode
  observer: TokenNode
  /** A session, its access token over, without going through a login page. */
  begin(subject?: string): Promise<ProcessSession>
}

export interface ClusterOptions extends Partial<Pick<Deployment, 'redisUrl' | 'timing'>> {
  policy?: RotationPolicy
  /** Loaded into the first process before anything else. */
  preload?: string
}

export async function startCluster({ policy = {}, preload, timing, ...more }: ClusterOptions = {}): Promise<Cluster> {
  await using started = new AsyncDisposableStack()
  const provider = started.use(await startRotatingProvider(policy))
  const upstream = started.use(await startUpstream())
  const deployment = createDeployment(provider, { ...more, timing: { ...roomForTheGate, ...timing } })
  await loadScripts(deployment.redisUrl)
  const observer = started.use(await startTokenNode(deployment))
  const [a, b] = await Promise.all([
    startProcessNode(deployment, upstream, started, preload),
    startProcessNode(deployment, upstream, started),
  ])
  const all = started.move()
  return {
    provider,
    upstream,
    deployment,
    a,
    b,
    observer,
    async begin(subject) {
      const id = randomBytes(24).toString('base64url')
      const ref = refOf(id)
      await observer.tokens.begin(ref, provider.login(subject))
      // As express-session signs it, with the key that is ours.
      const key = deriveKey(deployment.sessionSecret, 'session cookie').toString('base64url')
      const signature = createHmac('sha256', key).update(id).digest('base64').replace(/=+$/, '')
      return { ref, cookie: `bff=${encodeURIComponent(`s:${id}.${signature}`)}` }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function startProcessNode(
  { provider, redisPrefix, redisUrl, sessionSecret, timing }: Deployment,
  upstream: Upstream,
  stack: AsyncDisposableStack,
  preload?: string,
): Promise<ProcessNode> {
  const gate = stack.use(await startRedisGate(redisUrl))
  const port = await freePort()
  const child = await startChild(
    process.execPath,
    [...(preload === undefined ? [] : ['--import', preload]), main, 'serve'],
    {
      env: {
        BFF_PUBLIC_URL: 'http://localhost:3000',
        BFF_PORT: String(port),
        BFF_ISSUER: provider.issuer,
        BFF_CLIENT_ID: 'coatcheck-test',
        BFF_CLIENT_SECRET: 'not-a-secret-of-anybody',
        BFF_SESSION_SECRET: sessionSecret,
        BFF_REDIS_URL: gate.url,
        BFF_REDIS_PREFIX: redisPrefix,
        BFF_ROUTES: JSON.stringify([
          { path: '/api', upstream: upstream.url },
          { path: '/orders', upstream: upstream.url, accessToken: { scope: 'orders' } },
        ]),
        BFF_TIMING: JSON.stringify(timing),
      },
    },
  )
  stack.defer(async () => {
    await child.kill()
    appendFileSync(join(recordingDirectory(), `log-${process.pid}-${port}.txt`), child.output())
  })
  const origin = `http://127.0.0.1:${port}`
  const log = () => child.output().split('\n').flatMap(readLine)
  // A log-in can begin only where store and provider have been reached.
  const isReady = () =>
    fetch(`${origin}/bff/login`, { redirect: 'manual' }).then(
      ({ status }) => status === 302,
      () => false,
    )
  await Promise.race([
    until(isReady),
    child.ended.then((code) => Promise.reject(new Error(`a node ended with ${code}:\n${child.output()}`))),
  ])
  return {
    origin,
    gate,
    log,
    call: ({ cookie }, signal = null, api = 'api') =>
      fetch(`${origin}/${api}/x`, {
        headers: { cookie, [antiForgeryHeader.name]: antiForgeryHeader.value },
        signal,
      }).then(
        async (response) => {
          await response.body?.cancel()
          return response.status
        },
        () => 0,
      ),
    signal: child.signal,
    kill: child.kill,
    ended: child.ended,
  }
}

function readLine(line: string): LogLine[] {
  try {
    return [JSON.parse(line)]
  } catch {
    return [] // the last line may be half written, and a crash is not JSON
  }
}

/** So that a gate sees each command once, by the script's hash. */
async function loadScripts(redisUrl: string): Promise<void> {
  const client = createClient({ url: redisUrl })
  await client.connect()
  await Promise.all(Object.values(scripts).map((text) => client.scriptLoad(text)))
  client.destroy()
}
