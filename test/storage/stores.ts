import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { createMemoryStore } from '../../src/storage/memory-store.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import type { Store } from '../../src/storage/store.ts'
import { timingSchema } from '../../src/timing.ts'

/** Both stores, for suites that hold for either. */
export const stores: Record<string, (t: TestContext) => Promise<Store>> = {
  memory: async () => createMemoryStore(),
  async redis(t) {
    const url = process.env['TEST_REDIS_URL']
    if (url === undefined) throw new Error('TEST_REDIS_URL is not set: run this by npm test')
    const prefix = `test-${randomBytes(6).toString('hex')}`
    const store = createRedisStore(url, prefix, timingSchema.parse({}), () => undefined)
    t.after(() => store.close())
    await connected(store)
    return store
  },
}

async function connected(store: Store): Promise<void> {
  for (;;) {
    const ready = await store.ready().then(
      () => true,
      () => false,
    )
    if (ready) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}
