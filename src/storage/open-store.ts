import type { Options } from '../options.ts'
import type { Say } from '../telemetry/events.ts'
import { createMemoryStore } from './memory-store.ts'
import { createRedisStore } from './redis-store.ts'
import type { Store } from './store.ts'

/** The configured store. */
export function openStore({ store, redisUrl, redisPrefix, redisWaitReplicas, timing }: Options, say: Say): Store {
  if (store === 'redis' && redisUrl !== undefined) {
    return createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: redisWaitReplicas }, timing, say)
  }
  say('memory_store', { consequence: 'sessions are lost on restart and not shared between processes' })
  return createMemoryStore(timing.ended)
}
