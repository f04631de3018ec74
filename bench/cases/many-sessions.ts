import { createHmac, randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import { readCookies } from '../../src/cookie-header.ts'
import { deriveKey } from '../../src/secrets.ts'
import { refOf } from '../../src/session/reference.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import { TokenSet } from '../../src/tokens/token-set.ts'
import type { Cookie } from '../browser-session.ts'
import { coatcheck, coatcheckInExpress } from '../peers/coatcheck.ts'
import type { PeerKind } from '../peers/peer.ts'
import { usualStack } from '../peers/usual-stack.ts'
import { ratio, type Section } from '../report.ts'
import type { Peer } from '../stage.ts'

/** Many sessions of a peer, and what they take up. */
export interface ManySessions {
  cookies: string[]
  /** Redis memory that each of those weighed added, keys and all. */
  bytesEach: number
}

/** How many are made, and how many of them are weighed. */
interface Count {
  sessions: number
  weighed: number
}

/**
 * Makes one session into many, each with an id, a signature, and for coatcheck a seal, of its own.
 * @returns `null` for a peer of which we do not know how, or that knows no sessions
 */
export async function makeSessions(
  peer: Peer,
  cookie: Cookie,
  redisUrl: string,
  count: Count,
): Promise<ManySessions | null> {
  const make = makers.get(peer.kind)
  return make === undefined || cookie === null ? null : await make(peer, cookie, redisUrl, count)
}

/** @param count how many were weighed of each peer */
export function sessionSection(weighed: readonly { peer: string; bytesEach: number }[], count: number): Section {
  const usualBytes = weighed.find(({ peer }) => peer === usualStack.name)?.bytesEach
  return {
    title: 'Sessions in Redis',
    note: `Memory that ${count.toLocaleString('en')} of them took up, keys and all, for the same peers.`,
    table: [
      ['peer', 'x usual stack', 'bytes each'],
      ...weighed.map(({ peer, bytesEach }) => [peer, ratio(bytesEach, usualBytes), bytesEach.toFixed(0)]),
    ],
  }
}

type Maker = (peer: Peer, cookie: string, redisUrl: string, count: Count) => Promise<ManySessions>

const atOnce = 200

const makeCoatcheckSessions: Maker = async (peer, cookie, redisUrl, count) => {
  const { sessionSecret, redisPrefix } = peer.place
  const store = createRedisStore(
    { url: redisUrl, prefix: redisPrefix, waitReplicas: 0 },
    timingSchema.parse({}),
    () => {},
  )
  const seal = createSeal([sessionSecret])
  const key = deriveKey(sessionSecret, 'session cookie').toString('base64url')
  try {
    await untilReady(store.ready)
    const ref = refOf(idOf(cookie, 'bff'))
    const [session, record] = await Promise.all([store.sessions.get(ref), store.tokens.read(ref)])
    const tokens = record === null ? null : TokenSet.open(seal, ref, record.set)
    if (session === null || tokens === null) throw new Error(`${peer.kind.name}: the session is not where we look`)
    const dayMs = 86_400_000
    return await weigh(redisUrl, count, async (id) => {
      const own = refOf(id)
      const epoch = randomBytes(12).toString('base64url')
      await store.tokens.begin(own, { epoch, set: tokens.seal(seal, own), idleMs: dayMs, absoluteMs: dayMs })
      await store.sessions.set(own, session, { expiration: { type: 'EX', value: 86_400 } })
      await store.subjects.began(`user of ${own}`, own, dayMs)
      return `bff=${signed(id, key)}`
    })
  } finally {
    await store.close()
  }
}

const makeUsualSessions: Maker = async (peer, cookie, redisUrl, count) => {
  const { sessionSecret, redisPrefix } = peer.place
  const redis = await createClient({ url: redisUrl }).connect()
  try {
    const session = await redis.get(`${redisPrefix}:${idOf(cookie, 'connect.sid')}`)
    if (session === null) throw new Error(`${peer.kind.name}: the session is not where we look`)
    return await weigh(redisUrl, count, async (id) => {
      await redis.set(`${redisPrefix}:${id}`, session, { expiration: { type: 'EX', value: 86_400 } })
      return `connect.sid=${signed(id, sessionSecret)}`
    })
  } finally {
    redis.destroy()
  }
}

const makers = new Map<PeerKind, Maker>([
  [coatcheck, makeCoatcheckSessions],
  [coatcheckInExpress, makeCoatcheckSessions],
  [usualStack, makeUsualSessions],
])

async function weigh(
  redisUrl: string,
  { sessions, weighed }: Count,
  make: (id: string) => Promise<string>,
): Promise<ManySessions> {
  const redis = await createClient({ url: redisUrl }).connect()
  const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
  const cookies: string[] = []
  async function makeUpTo(count: number) {
    while (cookies.length < count) {
      const some = Math.min(atOnce, count - cookies.length)
      const ids = Array.from({ length: some }, () => randomBytes(24).toString('base64url'))
      cookies.push(...(await Promise.all(ids.map(make))))
    }
  }
  try {
    const before = await usedBytes()
    await makeUpTo(weighed)
    const bytesEach = ((await usedBytes()) - before) / weighed
    await makeUpTo(sessions)
    return { cookies, bytesEach }
  } finally {
    redis.destroy()
  }
}

/** The session id in a cookie of express-session, which both peers use. */
function idOf(cookieHeader: string, name: string): string {
  const [value = ''] = readCookies(cookieHeader).get(name) ?? []
  return /^s:([^.]*)\./.exec(decodeURIComponent(value))?.[1] ?? ''
}

function signed(id: string, key: string): string {
  const signature = createHmac('sha256', key).update(id).digest('base64').replace(/=+$/, '')
  return encodeURIComponent(`s:${id}.${signature}`)
}

async function untilReady(ready: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await ready()
    } catch (error) {
      if (tries === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
