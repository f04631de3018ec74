import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient, type RedisClientType } from 'redis'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import type { Store } from '../../src/storage/store.ts'
import { type Timing, timingSchema } from '../../src/timing.ts'
import { startRedisGate } from '../rotation/redis-gate.ts'
import { patientTiming } from '../support/patient-timing.ts'

test("a node's clock is Redis's, though an answer about it was long on its way", async (t) => {
  const { gate, admin, open } = await begin(t)
  const answer = gate.stop('TIME', 'after')
  const store = open(patientTiming)
  await answer.reached
  await pause(1_000)
  answer.go()
  // By half of that second, if this answer counted.
  await isRight(store, admin, 3_000)
})

test('an answer about the clock that does not come in time is asked for again soon, for ours may be an hour off', async (t) => {
  const { gate, admin, open } = await begin(t)
  const answer = gate.stop('TIME', 'after')
  const ours = t.mock.method(Date, 'now', () => performance.timeOrigin + performance.now() - 3_600_000)
  const store = open({ store: 500 })
  ours.mock.restore()
  await answer.reached
  await pause(1_000) // longer than a command may take, not so long that the connection is given up
  answer.go()
  await isRight(store, admin, 20_000)
})

/** Redis as it is, and as a node sees it: behind a gate. */
async function begin(t: TestContext) {
  const url = String(process.env['TEST_REDIS_URL'])
  const admin = await createClient({ url }).connect()
  const gate = await startRedisGate(url)
  t.after(() => gate[Symbol.asyncDispose]())
  t.after(() => admin.destroy())
  const open = (timing: Partial<Timing>): Store => {
    const settings = { url: gate.url, prefix: 'clock', waitReplicas: 0 }
    const store = createRedisStore(settings, timingSchema.parse(timing), () => undefined)
    t.after(() => store.close())
    return store
  }
  return { gate, admin, open }
}

/** Waits until a node's clock is Redis's, at most so long. */
async function isRight(store: Store, admin: Pick<RedisClientType, 'time'>, atMostMs: number): Promise<void> {
  const began = performance.now()
  for (let off = Number.POSITIVE_INFINITY; Math.abs(off) > 100; ) {
    assert.ok(performance.now() - began < atMostMs, `${off} ms off`)
    const [seconds, micros] = await admin.time()
    off = store.now() - (Number(seconds) * 1000 + Number(micros) / 1000)
  }
}
