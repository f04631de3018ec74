import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser } from '../support/browser.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld, type World } from '../support/world.ts'
import { startDyingRedis } from './dying-redis.ts'
import { createLogoutIssuer, postLogoutToken } from './logout-issuer.ts'

/** What Redis has answered it has given to the system, which outlives it. */
const durable = ['--appendonly', 'yes', '--appendfsync', 'no']

/** A node that soon finds its Redis again, and soon gives up. */
const timing = { ...patientTiming, reconnect: 50, retry: 50, storeBudget: 200 }

/** A world over a Redis that can be killed at any step, and comes back with what it had confirmed. */
async function startMortalWorld() {
  await using started = new AsyncDisposableStack()
  const redis = started.use(await startRedis(durable))
  const dying = started.use(await startDyingRedis(redis))
  const issuer = await createLogoutIssuer()
  const bff = { loginsPerMinute: 10_000, timing }
  const world = started.use(await startWorld({ ...issuer.world, redisUrl: dying.url, bff }))
  const witness = await signedIn(world)
  /** Waits until the node has found its Redis again. */
  const reachable = async () => {
    while ((await witness.api('/bff/user')).status === 503) await pause(10)
  }
  const running = started.move()
  return { redis, dying, issuer, world, reachable, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Kills Redis at the first step of something, at the second, and so on, until it comes to its end unharmed. */
async function atEveryStep(
  where: 'before' | 'after',
  prepare: (
    mortal: Awaited<ReturnType<typeof startMortalWorld>>,
  ) => Promise<() => Promise<(wasKilled: boolean) => Promise<void>>>,
): Promise<number> {
  await using mortal = await startMortalWorld()
  for (let step = 1; ; step++) {
    const run = await prepare(mortal)
    mortal.dying.killAt(step, where)
    const judge = await run()
    const wasKilled = await mortal.dying.wasKilled()
    if (wasKilled) await mortal.redis.restart()
    await mortal.reachable()
    await judge(wasKilled)
    if (!wasKilled) return step - 1
  }
}

describe('Redis is killed at each step', { concurrency: 4 }, () => {
  for (const where of ['before', 'after'] as const) {
    test(`of a login, ${where} it has carried it out: no success without a session, and the cookie is kept`, async () => {
      const steps = await atEveryStep(where, async ({ world }) => {
        const browser = await signedIn(world)
        const cookie = browser.cookies.get('bff')?.value
        return async () => {
          const seen = browser.visits.length
          const begun = await browser.startLogin({ returnUrl: '/there', parameters: { prompt: 'login' } })
          const landed = begun.form === undefined ? begun.page : await browser.finishLogin(begun)
          return async (wasKilled) => {
            const now = browser.cookies.get('bff')?.value
            const lines = browser.visits.slice(seen).flatMap(({ headers }) => headers.getSetCookie())
            for (const line of lines.filter((one) => one.startsWith('bff='))) assert.doesNotMatch(line, /Max-Age=0/)
            const isThere = landed.url === `${world.origin}/there`
            if (isThere) assert.notEqual(now, cookie)
            else {
              assert.ok(wasKilled)
              assert.equal(landed.status, 503)
              assert.equal(now, cookie, 'the browser has what it had')
            }
            assert.equal((await browser.api('/bff/user')).status, 200, 'whatever cookie the browser has, it is good')
          }
        }
      })
      assert.ok(steps >= 6, `${steps} steps`)
    })

    test(`of a logout, ${where} it has carried it out: over when it says so, else the cookie is kept`, async () => {
      const steps = await atEveryStep(where, async ({ world }) => {
        const browser = await signedIn(world)
        const cookie = browser.cookies.get('bff')?.value
        return async () => {
          const response = await browser.api('/bff/logout', { method: 'POST' })
          return async (wasKilled) => {
            if (response.status === 200) {
              assert.equal(browser.cookies.has('bff'), false)
              browser.setCookie('bff', cookie ?? '')
              assert.equal((await browser.api('/bff/user')).status, 401)
              return
            }
            assert.ok(wasKilled)
            assert.equal(response.status, 503)
            assert.deepEqual(response.headers.getSetCookie(), [])
            assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
            assert.equal((await browser.api('/bff/user')).status, 401)
          }
        }
      })
      assert.ok(steps >= 2, `${steps} steps`)
    })

    test(`A-18: of a back-channel logout, ${where} it has carried it out: not 200 unless over, and good when it comes again`, async () => {
      const steps = await atEveryStep(where, async ({ world, issuer }) => {
        const browser = await signedIn(world)
        const token = await issuer.token()
        return async () => {
          const { status } = await postLogoutToken(world, token)
          return async (wasKilled) => {
            if (status !== 200) {
              assert.ok(wasKilled)
              assert.equal(status, 503)
              // Refused as used, it has done what it says.
              assert.match(String((await postLogoutToken(world, token)).status), /^(200|400)$/)
            }
            assert.equal((await browser.api('/bff/user')).status, 401)
          }
        }
      })
      assert.ok(steps >= 4, `${steps} steps`)
    })
  }

  test('A-18: a logout token that comes while Redis is away changes nothing', async () => {
    await using mortal = await startMortalWorld()
    const { world, redis, issuer } = mortal
    const browser = await signedIn(world)
    const token = await issuer.token()
    await redis.kill()
    assert.equal((await postLogoutToken(world, token)).status, 503)
    await redis.restart()
    await mortal.reachable()
    assert.equal((await browser.api('/bff/user')).status, 200)
    assert.equal((await postLogoutToken(world, token)).status, 200)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })
})

async function signedIn(world: World): Promise<Browser> {
  const browser = world.browser()
  assert.equal((await browser.login()).url, `${world.origin}/`)
  return browser
}
