import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import { createClient } from 'redis'
import { type Bff, createBff } from '../../src/index.ts'
import { type BffOptions, parseOptions } from '../../src/options.ts'
import { sessionRecord } from '../../src/session/session-record.ts'
import { openStore } from '../../src/storage/open-store.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import { ownerOf, TokenSet } from '../../src/tokens/token-set.ts'
import { type Section, withRange } from '../report.ts'
import type { Stage } from '../stage.ts'
import { type Spread, spreadOf } from '../statistics.ts'

/** How many sessions a user has whose sessions are ended; each is measured with several users. */
const ownSessions = [1, 10, 100]
const usersEach = 10

type Asked = Pick<ReturnType<typeof createClient>, 'info'>

const dayMs = 86_400_000
/** Sessions that are made at a time. */
const atOnce = 500

/** What it takes to end all of one user's sessions, among many others, and where there are no others. */
export async function measureEndings(stage: Stage, among: number, say: (line: string) => void): Promise<Section> {
  const options = optionsOf(stage)
  const bff = createBff(options, { log: pino({ level: 'silent' }) })
  const redis = await createClient({ url: stage.redisUrl }).connect()
  try {
    await bff.ready()
    await endEach(options, bff, redis) // until the code is warm
    say(`endings: making ${among} sessions of as many users`)
    const others = Array.from({ length: among }, (_, number) => `other ${number}`)
    await makeSessions(options, others)
    const crowded = await endEach(options, bff, redis)
    await redis.flushAll()
    const alone = await endEach(options, bff, redis)
    for (const { own, ms } of crowded) say(`endings: ${own} among ${among}: ${ms.median.toFixed(1)} ms`)
    return {
      title: 'Ending all of one user’s sessions',
      note: `coatcheck by itself. Until every one of them is over on every node, without the revocations, for which nobody waits; of ${usersEach} users, one after another. Each other session is another user's.`,
      table: [
        ['sessions of the user', 'others', 'ms', 'Redis commands for each session, those of scripts included'],
        ...alone.map((row) => cellsOf(row, 0)),
        ...crowded.map((row) => cellsOf(row, among)),
      ],
    }
  } finally {
    redis.destroy()
    await bff.close()
  }
}

function optionsOf({ provider, redisUrl }: Stage): BffOptions {
  return {
    publicUrl: 'http://localhost:3000',
    issuer: provider.issuer,
    clientId: 'endings',
    clientSecret: randomBytes(32).toString('base64url'),
    sessionSecret: randomBytes(32).toString('base64url'),
    redisUrl,
    redisPrefix: 'endings',
    routes: [{ path: '/api', upstream: 'http://127.0.0.1:9' }],
  }
}

/** What it took to end all sessions of a user who had so many. */
interface Ending {
  own: number
  ms: Spread
  commandsEach: number
}

async function endEach(options: BffOptions, { sessions }: Pick<Bff, 'sessions'>, redis: Asked): Promise<Ending[]> {
  const rows: Ending[] = []
  for (const own of ownSessions) {
    const users = Array.from({ length: usersEach }, () => randomBytes(12).toString('base64url'))
    await makeSessions(
      options,
      users.flatMap((user) => Array.from({ length: own }, () => user)),
    )
    const before = await commandsOf(redis)
    const tries: number[] = []
    for (const sub of users) {
      const began = performance.now()
      const ended = await sessions.end({ sub })
      tries.push(performance.now() - began)
      if (ended !== own) throw new Error(`${ended} of ${own} sessions have ended`)
    }
    await pause(200) // what is over is taken off the index in the background
    const commandsEach = ((await commandsOf(redis)) - before) / (usersEach * own)
    rows.push({ own, ms: spreadOf(tries), commandsEach })
  }
  return rows
}

function cellsOf({ own, ms, commandsEach }: Ending, others: number): string[] {
  return [String(own), others.toLocaleString('en'), withRange(ms, 1), commandsEach.toFixed(1)]
}

/** One session for each of the subjects, as a login leaves it, through the product's own store. */
async function makeSessions(given: BffOptions, subjects: readonly string[]): Promise<void> {
  const options = parseOptions(given, { production: false })
  const store = openStore(options, () => undefined)
  const seal = createSeal(options.sessionSecret)
  try {
    while (await store.ready().catch(() => 'away')) await pause(10)
    for (let from = 0; from < subjects.length; from += atOnce) {
      await Promise.all(subjects.slice(from, from + atOnce).map(make))
    }
  } finally {
    await store.close()
  }

  async function make(sub: string): Promise<void> {
    const ref = randomBytes(32).toString('base64url')
    const at = store.now()
    const owner = ownerOf(options.issuer, sub)
    await store.subjects.began(owner, ref, dayMs)
    // Without a refresh token nothing is revoked. The tokens' length is that of common ones.
    const issued = { accessToken: 'x'.repeat(900), expiresIn: 3_600, refreshToken: null, refreshExpiresIn: null }
    const signedIn = { at: Math.floor(at / 1000), acr: null, beganAt: Math.floor(at / 1000) }
    const whose = { issuer: options.issuer, subject: sub, scope: options.scope, resources: [], signedIn }
    const tokens = TokenSet.issued({ ...issued, idToken: 'x'.repeat(900), scope: null }, at, dayMs, whose)
    const set = tokens.seal(seal, ref)
    await store.tokens.begin(ref, { epoch: ref.slice(0, 16), set, idleMs: dayMs, absoluteMs: dayMs })
    const facts = { subject: sub, claims: { sub }, browser: null, beganAt: at, endsAt: at + dayMs }
    const record = sessionRecord.stringify({ cookie: { path: '/' }, facts })
    await store.sessions.set(ref, record, { expiration: { type: 'EX', value: 86_400 } })
  }
}

/** How many commands Redis has carried out, without what a connection does by itself and our own question. */
async function commandsOf(redis: Asked): Promise<number> {
  const counts = [...(await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return counts.reduce((sum, [, name = '', calls]) => (upkeep.has(name) ? sum : sum + Number(calls)), 0)
}

const upkeep: ReadonlySet<string> = new Set(['ping', 'time', 'hello', 'info', 'client|setinfo', 'subscribe', 'select'])
