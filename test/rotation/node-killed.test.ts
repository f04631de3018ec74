import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hang } from './exchange.ts'
import { type Cluster, type ProcessSession, startCluster } from './process-node.ts'
import type { RotationPolicy } from './rotating-provider.ts'
import { until } from './token-node.ts'

// SIGKILL of the process that refreshes, at every step; the other process has a request of the same session.

interface Killed {
  cluster: Cluster
  session: ProcessSession
  /** Of the request on the process that is killed. */
  first: Promise<number>
}

const leeway: RotationPolicy = { leewayMs: 60_000 }

/** Kills process A when its refresh has come to a step, and asks process B for the same session. */
async function survive(
  policy: RotationPolicy,
  reach: (cluster: Cluster, start: () => void) => Promise<void>,
  prove: (status: number, killed: Killed) => Promise<void>,
) {
  await using cluster = await startCluster({ policy })
  const session = await cluster.begin()
  const { a, b } = cluster
  let first = Promise.resolve(0)
  await reach(cluster, () => (first = a.call(session)))
  await a.kill()
  const status = await b.call(session)
  assert.equal(await first, 0, 'the client of the dead process sees its connection break')
  await prove(status, { cluster, session, first })
}

/** Alive, and so many presentations of the token that was stored when the process died. */
const alive =
  (presentations: number) =>
  async (status: number, { cluster, session }: Killed) => {
    const { provider, b, observer } = cluster
    assert.equal(status, 200)
    assert.deepEqual(provider.presented, Array(presentations).fill('alice.1'))
    assert.equal(await b.call(session), 200)
    assert.equal(await observer.ask(session.ref), provider.newest(), 'the newest token is the one that is stored')
    assert.equal(provider.presented.length, presentations)
  }

/** The rotated token was nowhere but in the dead process. */
async function lost(status: number, { cluster, session }: Killed) {
  const { provider, b } = cluster
  assert.equal(status, 401)
  assert.deepEqual(provider.presented, ['alice.1', 'alice.1'])
  await until(() => b.log().some(({ msg, reason }) => msg === 'session_ended' && reason === 'rotation_lost'))
  assert.equal(await b.call(session), 401)
  assert.equal(provider.presented.length, 2)
}

const at =
  (script: 'acquire' | 'mark' | 'replace', where: 'before' | 'after') =>
  async (cluster: Cluster, start: () => void) => {
    const { reached } = cluster.a.gate.stop(script, where)
    start()
    await reached
  }

async function asking({ provider }: Cluster, start: () => void) {
  await hang(provider, start)
}

async function rotated(cluster: Cluster, start: () => void) {
  const asked = cluster.provider.next((exchange) => void exchange.process())
  start()
  await asked
}

describe('the process that refreshes is killed', { concurrency: 2 }, () => {
  test('before it has marked the token: the other one refreshes when the lease is over', () =>
    survive({}, at('mark', 'before'), alive(1)))

  test('after its mark, before it sent the token: the same, after the grace', () =>
    survive({}, at('mark', 'after'), alive(1)))

  test('while it asks, and the provider has not processed it: presented twice, alive', () =>
    survive({}, asking, alive(2)))

  test('after the provider has rotated: the session is lost, and says why', () => survive({}, rotated, lost))

  test('after the provider has rotated, and takes the old token a little longer: alive', () =>
    survive(leeway, rotated, alive(2)))

  test('with the answer in hand: the session is lost, and says why', () => survive({}, at('replace', 'before'), lost))

  test('with the answer in hand, at a provider with leeway: alive', () =>
    survive(leeway, at('replace', 'before'), alive(2)))

  test('when its write has reached the store: alive, nothing is presented again', () =>
    survive({}, at('replace', 'after'), alive(1)))

  test('while the API works on a request: it arrives there once, and the session lives', async () => {
    await using cluster = await startCluster()
    const { a, b, upstream, provider } = cluster
    const session = await cluster.begin()
    const arrived = Promise.withResolvers<void>()
    upstream.onRequest(() => {
      arrived.resolve()
      return new Promise(() => undefined)
    })
    const first = a.call(session)
    await arrived.promise
    await a.kill()
    assert.equal(await first, 0)
    assert.equal(upstream.requests, 1)
    upstream.onRequest(() => false)
    assert.equal(await b.call(session), 200)
    assert.deepEqual(provider.presented, ['alice.1'])
  })
})
