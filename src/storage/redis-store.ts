import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import { createKeys } from './keys.ts'
import { redisWarnings } from './redis-condition.ts'
import { createConnection, nullIfWrongType } from './redis-connection.ts'
import { createRedisHits } from './redis-hits.ts'
import { createRedisSessionIndex } from './redis-session-index.ts'
import { createRedisTokenRecords, readChange } from './redis-token-records.ts'
import type { Change, Store } from './store.ts'

/** How often this node asks Redis for its time, in milliseconds. */
const clockEvery = 60_000

/** Readings in a row, of which the quickest counts: an answer that was held up says too early a time (RFC 5905, section 10). */
const clockReadings = 3

export interface RedisSettings {
  url: string
  /** First part of every key and channel. */
  prefix: string
  /** Replicas that must have a rotation, a mark or an end before it counts as done; 0 for none. */
  waitReplicas: number
}

/** Sessions in Redis (>= 7), shared by every node. The client connects, and reconnects, by itself. */
export function createRedisStore({ url, prefix, waitReplicas }: RedisSettings, timing: Timing, say: Say): Store {
  const keys = createKeys(prefix)
  const connection = createConnection(url, timing, say)
  const { client, command } = connection
  // WAIT holds up its connection, and knows of no other's writes: what waits has one of its own.
  const durable = waitReplicas > 0 ? createConnection(url, timing, say) : connection

  // By our own clock until Redis has told its time, for which it is asked before anything else.
  let offset = Date.now() - performance.now()
  async function readClock() {
    let shortest = Number.POSITIVE_INFINITY
    for (let reading = 1; reading <= clockReadings; reading++) {
      const asked = performance.now()
      const [seconds, micros] = await command(client.sendCommand<[string, string]>(['TIME']))
      const took = performance.now() - asked
      if (took >= shortest) continue
      shortest = took
      offset = Number(seconds) * 1000 + Number(micros) / 1000 - (asked + took / 2)
    }
  }
  const now = () => performance.now() + offset
  let clock: NodeJS.Timeout | undefined
  let closed = false
  async function keepTime() {
    // Where it does not say, our own clock, which may be an hour off, must not count for long.
    const nextMs = await readClock().then(
      () => clockEvery,
      () => timing.store,
    )
    clearTimeout(clock)
    if (!closed) clock = setTimeout(keepTime, nextMs).unref()
  }
  client.on('ready', keepTime)

  const listeners = new Set<(change: Change) => void>()
  const tell = (change: Change) => {
    for (const listener of listeners) listener(change)
  }
  // A connection that subscribes can do nothing else.
  const channel = client.duplicate()
  channel.on('error', () => undefined) // said once, by the connection that commands go through
  let subscribed = false
  channel.on('ready', async () => {
    try {
      // Later on node-redis has done it again by itself before it says that it is ready.
      if (!subscribed) await channel.subscribe(keys.changed, (message) => readChange(message, tell))
      subscribed = true
    } catch (error) {
      say('channel_failed', {}, error) // tried again when the connection is made again
    }
    // Not before it listens: whoever looks now is told of everything that comes after.
    tell({ is: 'reconnected' })
  })
  channel.connect().catch(() => undefined) // closed before it was ever connected

  const tokens = createRedisTokenRecords(connection, { connection: durable, waitReplicas }, keys, timing, say)

  return {
    now,
    sessions: {
      get: (ref) => command(client.get(keys.session(ref))).catch(nullIfWrongType),
      set: (ref, value, { expiration }) => tokens.writeSession(ref, value, expiration.value),
      expire: (ref, seconds) => command(client.expire(keys.session(ref), seconds)),
      del: (refs) => command(client.del(refs.map(keys.session))),
    },
    logins: {
      async put(id, binder, payload, lifeMs) {
        await command(client.multi().hSet(keys.login(id), { binder, payload }).pExpire(keys.login(id), lifeMs).exec())
      },
      has: async (id, binder) =>
        (await command(client.hGet(keys.login(id), 'binder')).catch(nullIfWrongType)) === binder,
      async take(id, binder) {
        const payload = await connection.run('takeLogin', [keys.login(id)], [binder])
        return typeof payload === 'string' ? payload : null
      },
      async keepUsed(id, payload, lifeMs) {
        await command(client.set(keys.usedLogin(id), payload, { expiration: { type: 'PX', value: Math.ceil(lifeMs) } }))
      },
      used: (id) => command(client.get(keys.usedLogin(id))),
    },
    tokens,
    subjects: createRedisSessionIndex(connection, keys, 'sub', now),
    sids: createRedisSessionIndex(connection, keys, 'sid', now),
    logoutTokens: {
      has: async (id) => (await command(client.exists(keys.logoutToken(id)))) === 1,
      put: async (id, lifeMs) => (await connection.run('putLogoutToken', [keys.logoutToken(id)], [lifeMs])) === 'put',
    },
    hits: (limit) => createRedisHits(connection, keys.hits(limit)),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async ready() {
      // A write: a read would miss a replica, a full memory and a failing disk.
      await command(client.set(`${prefix}:ready`, '1', { expiration: { type: 'PX', value: 1000 } }))
    },
    warnings: () =>
      redisWarnings({ info: () => command(client.info()), configGet: (name) => command(client.configGet(name)) }),
    async close() {
      closed = true
      clearTimeout(clock)
      channel.destroy()
      client.destroy()
      if (durable !== connection) durable.client.destroy()
    },
  }
}
