import type { Options } from '../options.ts'
import type { Say } from '../telemetry/events.ts'
import { errorReply, reasonOf } from './redis-connection.ts'
import { createRedisStore } from './redis-store.ts'
import { untilReady } from './until-ready.ts'

interface Finding {
  is: 'problem' | 'warning'
  says: string
}

/** What is wrong with the configured Redis: a problem where it serves nobody, a warning where it endangers sessions. */
export async function checkRedis({ store, redisUrl, redisPrefix, timing }: Options): Promise<Finding[]> {
  if (store !== 'redis' || redisUrl === undefined) return []
  let lost = 'no answer in time'
  const say: Say = (event, facts) => {
    if (event === 'store_lost') lost = String(facts?.['reason'])
  }
  const redis = createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: 0 }, timing, say)
  const unusable = await untilReady(redis, timing.connect).then(
    () => [],
    (failure: unknown) => [problem(reasonOf(errorReply(failure)) ?? lost)],
  )
  const warnings = await redis.warnings().catch(() => [])
  await redis.close()
  return [...unusable, ...warnings.map(({ text }) => ({ is: 'warning' as const, says: text }))]
}

function problem(reason: string): Finding {
  const says = `it takes no writes from here (${reason}): logins and API calls are answered with 503; is BFF_REDIS_URL right?`
  return { is: 'problem', says }
}
