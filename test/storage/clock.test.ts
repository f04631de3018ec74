import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { startRedisGate } from '../rotation/redis-gate.ts'
import { patientTiming } from '../support/patient-timing.ts'

test("a node's clock is Redis's, though an answer about it was long on its way", async (t) => {
  const redisUrl = String(process.env['TEST_REDIS_URL'])
  const admin = await createClient({ url: redisUrl }).connect()
  t.after(() => admin.destroy())
  await using gate = await startRedisGate(redisUrl)
  const answer = gate.stop('TIME', 'after')
  const settings = { url: gate.url, prefix: 'clock', waitReplicas: 0 }
  const store = createRedisStore(settings, timingSchema.parse(patientTiming), () => undefined)
  t.after(() => store.close())
  await answer.reached
  await pause(1_000)
  answer.go()
  // By half of that second, if this answer counted.
  const began = performance.now()
  for (let off = Number.POSITIVE_INFINITY; Math.abs(off) > 100; ) {
    assert.ok(performance.now() - began < 3_000, `${off} ms off`)
    const [seconds, micros] = await admin.time()
    off = store.now() - (Number(seconds) * 1000 + Number(micros) / 1000)
  }
})
