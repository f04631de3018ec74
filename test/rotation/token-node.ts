import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { BffError } from '../../src/errors.ts'
import { parseOptions } from '../../src/options.ts'
import { createProvider } from '../../src/relying-party/provider.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import type { Store } from '../../src/storage/store.ts'
import { createCounters } from '../../src/telemetry/counters.ts'
import { createSay, type Say } from '../../src/telemetry/events.ts'
import type { Timing } from '../../src/timing.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import type { TokenTarget } from '../../src/tokens/token-target.ts'
import { createTokens, type Tokens } from '../../src/tokens/tokens.ts'
import { createRecordedLog, type LogLine } from '../support/recorded-log.ts'
import type { RotatingProvider } from './rotating-provider.ts'
import { type ScriptedStore, scriptStore } from './scripted-store.ts'

/** The product's deadlines, a fifth of their length or less where a test waits for them to be over. */
const quickTiming = {
  store: 400,
  reconnect: 100,
  retry: 100,
  lease: 1_500,
  sure: 900,
  storeBudget: 800,
  grace: 700,
  connect: 1_000,
  ask: 3_000,
  askAgain: 5_000,
  probe: 300,
  waiter: 12_000,
  persist: 20_000,
  silence: 400,
  decline: 100,
  ended: 60_000,
  revoke: 5_000,
  drain: 12_000,
} satisfies Partial<Timing>

/** What nodes of one deployment have in common. */
export interface Deployment {
  provider: RotatingProvider
  redisUrl: string
  redisPrefix: string
  sessionSecret: string
  timing: Partial<Timing>
}

/** The Redis of the whole run, unless told otherwise, under a prefix of its own. */
export function createDeployment(provider: RotatingProvider, more: Partial<Deployment> = {}): Deployment {
  const redisUrl = more.redisUrl ?? process.env['TEST_REDIS_URL']
  if (redisUrl === undefined) throw new Error('run tests by: npm test -- <file>')
  return {
    provider,
    redisPrefix: `test-${randomBytes(6).toString('hex')}`,
    sessionSecret: randomBytes(32).toString('base64url'),
    ...more,
    redisUrl,
    timing: { ...quickTiming, ...more.timing },
  }
}

/** The part of a node that spends tokens, without HTTP in front of it. */
export interface TokenNode extends AsyncDisposable {
  tokens: Tokens
  store: Store
  script: ScriptedStore
  log: readonly LogLine[]
  /**
   * Asks for an access token: its name, `alice.2` for the one of the first refresh, and `alice.2/orders` for one of that
   * scope; an error by its code.
   */
  ask(ref: string, target?: TokenTarget): Promise<string>
}

export interface TokenNodeOptions {
  /** What the node has in place of a store of its own, given that one. */
  wrap?: (store: Store) => Store
  /** @default a Redis store of its own */
  store?: Store
  /** How long its own store waits for Redis, in ms. @default 5_000, longer than a busy machine keeps it waiting */
  storeMs?: number
  /** Store time. Two nodes know it to some milliseconds only, which is more than some tokens here live. @default its own */
  now?: () => number
}

/** Starts a node that is connected, and hears its channel. */
export async function startTokenNode(deployment: Deployment, options: TokenNodeOptions = {}): Promise<TokenNode> {
  const { provider, redisUrl, redisPrefix, sessionSecret, timing } = deployment
  const checked = parseOptions(
    {
      publicUrl: 'http://localhost:3000',
      issuer: provider.issuer,
      clientId: 'coatcheck-test',
      clientSecret: 'not-a-secret-of-anybody',
      sessionSecret,
      redisUrl,
      redisPrefix,
      routes: [{ path: '/api', upstream: 'http://127.0.0.1:9' }],
      timing,
    },
    { production: false },
  )
  const { log, lines } = createRecordedLog()
  const say: Say = createSay(log, createCounters())
  const storeTiming = { ...checked.timing, store: options.storeMs ?? 5_000 }
  const own =
    options.store ?? createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: 0 }, storeTiming, say)
  if (options.store === undefined) await connected(own)
  const script = scriptStore({ ...own, now: options.now ?? own.now })
  const store = options.wrap?.(script.store) ?? script.store
  const asked = createProvider(checked, say)
  // Asked for within the time that a test gives the token endpoint, which a busy machine may need for itself.
  await until(() =>
    asked.configuration().then(
      () => true,
      () => false,
    ),
  )
  const tokens = createTokens(checked, store, createSeal(checked.sessionSecret), asked, () => null, say)
  return {
    tokens,
    store: own,
    script,
    log: lines,
    ask: (ref, target) =>
      tokens
        .spending(target ?? null)
        .spendable(ref)
        .then(
          ({ accessToken }) => nameOf(accessToken),
          (error: unknown) => {
            if (error instanceof BffError) return error.code
            throw error
          },
        ),
    async [Symbol.asyncDispose]() {
      await asked.close()
      if (options.store === undefined) await own.close()
    },
  }
}

/** Begins a session whose access token is over already. */
export async function beginSession(node: TokenNode, provider: RotatingProvider, subject?: string): Promise<string> {
  const ref = randomBytes(12).toString('base64url')
  await node.tokens.begin(ref, provider.login(subject))
  return ref
}

/** `access-<name>-<16 random characters>` */
function nameOf(accessToken: string): string {
  return accessToken.startsWith('access-') ? accessToken.slice('access-'.length, -17) : accessToken
}

/** Waits for what no event tells of; the runner's deadline is the limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(5)
}

/** Asks again, now and then, while it is told to come back later. */
export async function askUntilSettled(node: TokenNode, ref: string, first = node.ask(ref)): Promise<string> {
  let answer = await first
  while (answer === 'provider_unreachable' || answer === 'store_unreachable') {
    await pause(10)
    answer = await node.ask(ref)
  }
  return answer
}

/** Waits, without a trace in the record, until the lease of the one who marked it is over. */
export async function leaseOver({ tokens }: Store, ref: string): Promise<void> {
  await until(async () => {
    const record = await tokens.read(ref)
    if (record === null) return true
    const stranger = { id: 'stranger', epoch: record.epoch, version: record.version, open: false, leaseMs: 1 }
    return (await tokens.acquire(ref, { ...stranger, doubt: null })).is !== 'busy'
  })
}

/** Waits for a line of a log. */
export async function said(
  log: readonly LogLine[],
  event: string,
  facts: Record<string, unknown> = {},
): Promise<LogLine> {
  const matches = (line: LogLine) =>
    line.msg === event && Object.entries(facts).every(([name, value]) => line[name] === value)
  await until(() => log.some(matches))
  return log.find(matches) ?? { level: '', msg: '' }
}

/** A subscription is made in the background: changes a session that nobody knows until that is heard of. */
async function connected(store: Store): Promise<void> {
  let heard = false
  const stop = store.onChange((change) => {
    if (change.is !== 'reconnected') heard = true
  })
  const ref = randomBytes(6).toString('hex')
  await until(async () => {
    await store.tokens
      .release(ref, { id: 'x', epoch: 'x', version: 1, left: 0, declined: 0, backoffMs: 0 })
      .catch(() => undefined)
    return heard
  })
  stop()
}
