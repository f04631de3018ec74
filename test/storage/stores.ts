import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createMemoryStore } from '../../src/storage/memory-store.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import type { Store } from '../../src/storage/store.ts'
import { timingSchema } from '../../src/timing.ts'

/** Both stores, for suites that hold for either. */
export const stores: Record<string, (t: TestContext) => Promise<Store>> = {
  memory: async () => createMemoryStore(timingSchema.parse({}).ended),
  async redis(t) {
    const url = process.env['TEST_REDIS_URL']
    if (url === undefined) throw new Error('TEST_REDIS_URL is not set: run this by npm test')
    const prefix = `test-${randomBytes(6).toString('hex')}`
    const store = createRedisStore({ url, prefix, waitReplicas: 0 }, timingSchema.parse({}), () => undefined)
    t.after(() => store.close())
    await connected(store)
    return store
  },
}

/** Waits for a store to be reached. */
export async function connected(store: Store): Promise<void> {
  const until = performance.now() + 5_000
  for (;;) {
    try {
      return await store.ready()
    } catch (error) {
      if (performance.now() > until) throw error
      await pause(5)
    }
  }
}
