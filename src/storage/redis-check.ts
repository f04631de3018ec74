import type { Options } from '../options.ts'
import { createRedisStore } from './redis-store.ts'
import { untilReady } from './until-ready.ts'

/** What endangers sessions in the configured Redis, a sentence each. None of it keeps a server from starting. */
export async function checkRedis({ store, redisUrl, redisPrefix, timing }: Options): Promise<string[]> {
  if (store !== 'redis' || redisUrl === undefined) return []
  const redis = createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: 0 }, timing, () => undefined)
  const ready = await untilReady(redis, timing.connect).then(
    () => true,
    () => false,
  )
  const found = await redis.warnings().catch(() => [])
  await redis.close()
  return [...(ready ? [] : [notReady]), ...found.map(({ text }) => text)]
}

const notReady = 'it takes no writes from here: until it does, logins and API calls are answered with 503.'
