import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { type Bff, createBff } from '../../src/index.ts'
import { refOf } from '../../src/session/reference.ts'
import { type ScriptName, scripts } from '../../src/storage/scripts.ts'
import { startRedisGate } from '../rotation/redis-gate.ts'
import type { Browser } from '../support/browser.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { createTokenEndpoint, overAtOnce } from '../support/token-endpoint.ts'
import { startWorld, type World } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn, type LogoutIssuer, postLogoutToken } from './logout-issuer.ts'

/** How a session ends on the second node. */
const endings: Record<string, (world: World, browser: Browser, issuer: LogoutIssuer) => Promise<Response>> = {
  'a logout': (world, browser) => browser.api(`${world.nodes[1]?.relay.origin}/bff/logout`, { method: 'POST' }),
  'a back-channel logout': async (world, _browser, issuer) => postLogoutToken(world, await issuer.token(), 1),
}

/** A world of two nodes, its first behind a gate to Redis that can stop it at any script. */
async function startGatedWorld() {
  await using started = new AsyncDisposableStack()
  const issuer = await createLogoutIssuer()
  const token = createTokenEndpoint()
  const world = started.use(
    await startWorld({
      ...issuer.world,
      nodes: 2,
      bff: { timing: patientTiming },
      provider: {
        ...issuer.world.provider,
        intercept: async (request, response) =>
          (await token.intercept(request, response)) || issuer.world.provider.intercept(request, response),
      },
    }),
  )
  const gate = started.use(await startRedisGate(String(world.options.redisUrl)))
  const { bff, port } = await startNode({ ...world.options, redisUrl: gate.url })
  started.defer(() => bff.close())
  world.relay.forwardTo({ host: '127.0.0.1', port })
  // A script that Redis does not know yet is asked for twice.
  const redis = await createClient({ url: String(world.options.redisUrl) }).connect()
  for (const script of Object.values(scripts)) await redis.scriptLoad(script)
  redis.destroy()
  // The answers of a node that has just started may be 503.
  while ((await world.browser().startLogin()).form === undefined) await pause(5)
  const running = started.move()
  return { world, issuer, token, gate, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function startNode(options: World['options']): Promise<{ bff: Bff; port: number }> {
  const bff = createBff(options, { log: createRecordedLog().log })
  const address = (await bff.listen()).address()
  if (address === null || typeof address === 'string') throw new Error('the BFF has no port')
  return { bff, port: address.port }
}

describe('what is in flight when a session ends', { concurrency: 4 }, () => {
  for (const [name, end] of Object.entries(endings)) {
    test(`S-03: a call that the API answers after ${name} brings nothing back`, async () => {
      await using gated = await startGatedWorld()
      const { world, issuer } = gated
      const browser = await signedIn(world)
      const arrived = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<void>()
      world.upstream.onRequest(async ({ url }) => {
        if (url !== '/slow') return false
        arrived.resolve()
        await answer.promise
        return false
      })
      const slow = fetch(`${world.origin}/api/slow`, browser.init)
      await arrived.promise
      assert.equal((await end(world, browser.browser, issuer)).status, 200)
      answer.resolve()
      assert.equal((await slow).status, 200, 'it was let through before')
      await isOver(world, browser)
    })

    const steps: readonly [path: string, script: ScriptName, where: 'before' | 'after'][] = [
      ['/bff/user', 'remaining', 'before'],
      ['/bff/user', 'remaining', 'after'],
      ['/api/x', 'acquire', 'before'],
      ['/api/x', 'acquire', 'after'],
      ['/api/x', 'replace', 'before'],
    ]
    for (const [path, script, where] of steps) {
      test(`S-03: ${path} that stands still ${where} its ${script} over ${name} brings nothing back`, async () => {
        await using gated = await startGatedWorld()
        const { world, issuer, gate, token } = gated
        token.add({ expires_in: overAtOnce })
        const browser = await signedIn(world)
        const stop = gate.stop(script, where)
        const slow = fetch(world.origin + path, browser.init)
        await stop.reached
        assert.equal((await end(world, browser.browser, issuer)).status, 200)
        stop.go()
        const { status } = await slow
        assert.ok(where === 'after' && path === '/bff/user' ? status === 200 : status === 401, String(status))
        await isOver(world, browser)
      })
    }
  }

  test('S-03: a login that stands still before its last write over a back-channel logout is none', async () => {
    await using gated = await startGatedWorld()
    const { world, issuer, gate } = gated
    const browser = world.browser()
    const begun = await browser.startLogin()
    const stop = gate.stop('writeSession', 'before')
    const landing = browser.finishLogin(begun)
    await stop.reached
    assert.equal((await postLogoutToken(world, await issuer.token(), 1)).status, 200)
    stop.go()
    assert.equal((await landing).status, 400)
    assert.equal(browser.cookies.has('bff'), false)
    const redis = await createClient({ url: String(world.options.redisUrl) }).connect()
    const left = await redis.keys(`${world.options.redisPrefix}:{*`)
    redis.destroy()
    assert.deepEqual(
      left.map((key) => key.slice(key.lastIndexOf(':') + 1)),
      ['ended'],
    )
  })

  test('S-04: a refresh in flight while the user logs in again leaves the old session over, and the new one alive', async () => {
    await using gated = await startGatedWorld()
    const { world, token } = gated
    token.add({ expires_in: overAtOnce })
    const old = await signedIn(world)
    const arrived = token.arrival()
    const answer = token.hold()
    const slow = fetch(`${world.origin}/api/x`, old.init)
    await arrived
    token.hold()() // what comes now is not kept waiting
    await old.browser.login()
    answer()
    assert.equal((await slow).status, 401)
    await isOver(world, old)
    assert.equal(await isSignedIn(world, old.browser), true)
  })

  test('S-02: a call that began before a rotation and ends after it leaves the newer refresh token', async () => {
    await using gated = await startGatedWorld()
    const { world, gate, token } = gated
    token.add({ expires_in: overAtOnce })
    const { browser } = await signedIn(world)
    const second = world.nodes[1]?.relay.origin ?? ''
    const stop = gate.stop('remaining', 'before')
    const slow = browser.api('/bff/user')
    await stop.reached
    const { counts } = world.provider
    // By another node's clock the token may not be over yet, for some milliseconds.
    const rotated = async (origin: string, to: number) => {
      while (counts.refresh < to) assert.equal((await browser.api(`${origin}/api/x`)).status, 200)
    }
    await rotated(second, 1)
    stop.go()
    assert.equal((await slow).status, 200)
    await rotated(world.origin, 2)
    // This provider ends the whole grant when it sees a refresh token again.
    assert.deepEqual([counts.refresh, counts.refresh_refused], [2, 0])
  })
})

interface SignedIn {
  browser: Browser
  /** The cookie that it had, whatever becomes of it. */
  init: { headers: Record<string, string> }
  ref: string
}

async function signedIn(world: World): Promise<SignedIn> {
  const browser = world.browser()
  await browser.login()
  const cookie = browser.cookies.get('bff')?.value ?? ''
  const [, id = ''] = /^s:(.*)\./.exec(decodeURIComponent(cookie)) ?? []
  return { browser, init: { headers: { 'x-csrf': '1', cookie: `bff=${cookie}` } }, ref: refOf(id) }
}

/** Refused on every node, and nothing of it is left in Redis that a session would need. */
async function isOver(world: World, { init, ref }: SignedIn): Promise<void> {
  for (const { relay } of world.nodes) {
    for (const path of ['/api/x', '/bff/user']) assert.equal((await fetch(relay.origin + path, init)).status, 401, path)
  }
  const redis = await createClient({ url: String(world.options.redisUrl) }).connect()
  const records = ['session', 'tokens'].map((kind) => `${world.options.redisPrefix}:{${ref}}:${kind}`)
  const left = await redis.exists(records)
  redis.destroy()
  assert.equal(left, 0)
}
