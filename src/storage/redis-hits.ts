import { RedisStore } from 'rate-limit-redis'
import type { BffError } from '../errors.ts'
import type { Connection } from './redis-connection.ts'
import type { HitRecords } from './store.ts'

/** Counts of one rate limit in Redis, shared by every node. @param prefix what its keys begin with */
export function createRedisHits({ client, command }: Connection, prefix: string): HitRecords {
  const store = new RedisStore({
    prefix,
    // It knows Redis' own errors, by which it tells that its script has to be loaded again.
    sendCommand: (...args) =>
      command(client.sendCommand<string>(args)).catch(({ cause }: BffError) => Promise.reject(cause)),
  })
  // It loads its scripts when it is made; Redis may come later than we do, or be slow just then.
  let load = () => {}
  /** What could not be loaded then is loaded for the next time. */
  async function orLoad<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      load()
      throw error
    }
  }

  return {
    init(options) {
      const read = options as Parameters<typeof store.init>[0] // of all that it could be given it reads this one
      load = () => void store.init(read).catch(() => undefined)
      if (client.isReady) load()
      client.on('ready', load)
    },
    async get(key) {
      const hits = await orLoad(() => store.get(key))
      return Number.isNaN(hits?.totalHits) ? undefined : hits
    },
    increment: (key) => orLoad(() => store.increment(key)),
    decrement: (key) => store.decrement(key),
    resetKey: (key) => store.resetKey(key),
  }
}
