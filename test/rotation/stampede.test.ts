import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createBff } from '../../src/index.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { timingSchema } from '../../src/timing.ts'
import { antiForgeryHeader } from '../../src/wire.ts'
import { patientTiming } from '../support/patient-timing.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld } from '../support/world.ts'
import { leaveOpen } from './exchange.ts'
import { startCluster } from './process-node.ts'
import { startRotatingProvider } from './rotating-provider.ts'
import { beginSession, createDeployment, startTokenNode, until } from './token-node.ts'

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

test('200 requests at a time over two nodes, 20 expiries: 20 refreshes, and everybody is served', async () => {
  const accessTokenSeconds = 60
  await using world = await startWorld({ provider: { accessTokenSeconds }, bff: { timing: patientTiming } })
  const browser = world.browser()
  await browser.login()
  const cookie = `bff=${browser.cookies.get('bff')?.value}`

  await using nodes = new AsyncDisposableStack()
  let ahead = 0
  const start = async () => {
    const { redisUrl = '', redisPrefix = '' } = world.options
    const timing = timingSchema.parse(patientTiming)
    const store = createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: 0 }, timing, () => undefined)
    // An expiry is brought about by a clock that is ahead: waiting for twenty of them would be all that this test does.
    const bff = createBff(world.options, {
      log: createRecordedLog().log,
      store: { ...store, now: () => store.now() + ahead },
    })
    nodes.defer(() => bff.close())
    await until(() =>
      store.ready().then(
        () => true,
        () => false,
      ),
    )
    const address = (await bff.listen()).address()
    return typeof address === 'object' ? `http://127.0.0.1:${address?.port}/api/x` : ''
  }
  const urls = [await start(), await start()]
  const call = async (url = ''): Promise<number> => {
    const response = await fetch(url, { headers: { cookie, [antiForgeryHeader.name]: antiForgeryHeader.value } })
    await response.body?.cancel()
    return response.status
  }

  for (let expiry = 1; expiry <= 20; expiry++) {
    ahead += accessTokenSeconds * 1_000 + 1
    const statuses = await Promise.all(times(200, (i) => call(urls[i % urls.length])))
    assert.deepEqual(new Set(statuses), new Set([200]))
    assert.equal(world.provider.counts.refresh, expiry)
  }
  assert.deepEqual([world.provider.counts.refresh_refused, world.provider.counts.grant_revoked], [0, 0])
})

test('200 requests at a time over two processes with a token that is over: one refresh', async () => {
  await using cluster = await startCluster({ timing: patientTiming })
  const { a, b, provider } = cluster
  const session = await cluster.begin()
  const statuses = await Promise.all(times(200, (i) => (i % 2 === 0 ? a : b).call(session)))
  assert.deepEqual(new Set(statuses), new Set([200]))
  assert.deepEqual(provider.presented, ['alice.1'])
})

describe('a provider that hangs for ten lives of a token', () => {
  const lifeSeconds = 0.5
  const timing = { ask: 1_000, askAgain: 1_000, silence: 300, probe: 300 }

  test('nobody is logged out, it is hardly asked, and on its return everybody works within seconds', async () => {
    await using provider = await startRotatingProvider()
    const deployment = createDeployment(provider, { timing })
    await using a = await startTokenNode(deployment)
    await using b = await startTokenNode(deployment)
    const refs = await Promise.all(times(20, (i) => beginSession(a, provider, `user${i}`)))
    provider.accessTokenSeconds = lifeSeconds
    await Promise.all(refs.map((ref, i) => (i % 2 === 0 ? a : b).ask(ref)))

    provider.always(leaveOpen)
    const before = provider.presented.length
    const hangsMs = 10 * lifeSeconds * 1_000
    const began = performance.now()
    const answers = new Set<string>()
    while (performance.now() - began < hangsMs) {
      for (const answer of await Promise.all(refs.flatMap((ref) => [a.ask(ref), b.ask(ref)]))) answers.add(answer)
      await pause(50)
    }
    const whileAway = provider.presented.length - before
    const awayMs = performance.now() - began // the last answers were waited for
    // Two presentations of a session that nobody has asked for yet, from both nodes, before the breaker is open; from
    // then on one probe in its time from each.
    assert.ok(whileAway <= 2 * (refs.length + awayMs / timing.probe), `${whileAway} presentations`)
    assert.ok([...answers].every((answer) => answer === 'provider_unreachable' || answer.startsWith('user')))

    provider.accessTokenSeconds = 300
    provider.always(null)
    const returned = provider.presented.length
    const back = performance.now()
    const isToken = async (answer: Promise<string>) => (await answer).startsWith('user')
    await until(async () =>
      (await Promise.all(refs.flatMap((ref) => [a, b].map((node) => isToken(node.ask(ref)))))).every(Boolean),
    )
    assert.ok(performance.now() - back < 10_000, `after ${performance.now() - back} ms`)
    assert.equal(provider.presented.length - returned, refs.length)
    const log = [...a.log, ...b.log]
    assert.ok(log.every(({ msg }) => msg !== 'session_ended' && msg !== 'rotation_lost'))
  })
})
