import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { startRotatingProvider } from '../rotation/rotating-provider.ts'
import { createDeployment, startTokenNode } from '../rotation/token-node.ts'
import { freePort } from '../support/free-port.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn, postLogoutToken } from './logout-issuer.ts'

/** What a connection does by itself now and then, and our own questions. */
const upkeep = new Set(['ping', 'time', 'hello', 'info', 'client|setinfo', 'config|resetstat', 'subscribe', 'select'])

/** How often Redis carried out which command, those of scripts included, while one of alice's `own` sessions each ended. */
async function commandsToEnd(own: number, others: number): Promise<Record<string, number>> {
  await using redis = await startRedis()
  await using provider = await startRotatingProvider()
  const deployment = createDeployment(provider, { redisUrl: redis.url })
  await using node = await startTokenNode(deployment, { storeMs: patientTiming.store })
  const begin = (subject: string) => node.tokens.begin(randomBytes(12).toString('base64url'), provider.login(subject))
  for (let at = 0; at < others; at += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, number) => begin(`user-${at + number}`)))
  }
  for (let number = 0; number < own; number++) await begin('alice')

  const admin = await createClient({ url: redis.url }).connect()
  await admin.configResetStat()
  const at = Math.floor(Date.now() / 1000)
  await node.tokens.endAll({ issuer: provider.issuer, subject: 'alice', sid: null, at }, 'frontchannel_logout')
  const stats = await admin.info('commandstats')
  admin.destroy()
  const counts = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [
    name,
    Number(calls),
  ])
  return Object.fromEntries(counts.filter(([name]) => !upkeep.has(String(name))))
}

describe("ending all of one user's sessions", { concurrency: 2 }, () => {
  test("takes commands in proportion to that user's sessions, however many others have", async () => {
    const [few, many, more] = await Promise.all([
      commandsToEnd(5, 100),
      commandsToEnd(5, 3_000),
      commandsToEnd(50, 100),
    ])
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)
    const about = JSON.stringify({ few, many, more })
    for (const name of Object.keys({ ...few, ...many, ...more }))
      assert.doesNotMatch(name, /^(h|s|z)?scan$|^keys$/, about)
    // The removal of single entries happens in the background, and may be counted or not.
    for (const counts of [few, many, more]) Reflect.deleteProperty(counts, 'zrem')
    assert.deepEqual(many, few)
    assert.ok(sum(few) > 5 && sum(more) < sum(few) * 11, about)
  })

  test('works where every command must keep to one slot, as in a cluster', async () => {
    // The port by which it would speak to others; that is 10,000 more than its own unless told, and may be somebody's.
    const clusterPort = String(await freePort())
    await using redis = await startRedis(['--cluster-enabled', 'yes', '--cluster-port', clusterPort])
    const admin = await createClient({ url: redis.url }).connect()
    await admin.clusterAddSlotsRange({ start: 0, end: 16_383 })
    while ((await admin.clusterInfo()).match(/cluster_state:ok/) === null)
      await new Promise((resolve) => setTimeout(resolve, 5))
    await assert.rejects(admin.mGet(['a', 'b']), /CROSSSLOT/)
    admin.destroy()
    const issuer = await createLogoutIssuer()
    await using world = await startWorld({ ...issuer.world, redisUrl: redis.url, nodes: 2 })
    const browser = world.browser()
    for (const changes of [{}, { sid: undefined }, { sub: undefined }]) {
      await browser.login()
      assert.equal(await isSignedIn(world, browser), true)
      const iat = Math.floor(Date.now() / 1000) - 10 // the next login is a later one
      assert.equal((await postLogoutToken(world, await issuer.token({ ...changes, iat }), 1)).status, 200)
      assert.equal(await isSignedIn(world, browser), false)
    }
    await browser.login()
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    assert.equal(await isSignedIn(world, browser), false)
  })
})
