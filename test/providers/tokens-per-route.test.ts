import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { createBff } from '../../src/index.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import {
  expiredAtOnce,
  ordersApi,
  ownApi,
  refuse,
  type SeveralApis,
  startSeveralApis,
  stockApi,
  usualRoutes,
} from './several-apis.ts'

/** Answers as a token endpoint that refuses. */
const refusal = (error: string) => ({ status: 400, body: JSON.stringify({ error }) })

async function logIn(world: SeveralApis) {
  const browser = world.browser()
  await browser.login()
  return browser
}

const isFor = (api: string) => (answer: string) => answer.startsWith(`${api} `)

describe('an access token of a route', { concurrency: 2 }, () => {
  test('P7 and R11: is for the API of that route, kept, and shared with routes that ask for the same', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const orders = await world.call(browser, '/orders/x')
    const stock = await world.call(browser, '/stock/x')
    const own = await world.call(browser, '/own/x')
    assert.ok(isFor(ordersApi)(orders), orders)
    assert.ok(isFor(stockApi)(stock), stock)
    assert.ok(isFor(ownApi)(own), own)
    assert.equal(await world.call(browser, '/more-orders/x'), orders)
    assert.equal(await world.call(browser, '/orders/y'), orders)
    assert.equal(await world.call(browser, '/own/y'), own)
    assert.deepEqual(
      world.asked.map(({ grant, resource }) => [grant, resource]),
      [
        ['refresh_token', ordersApi],
        ['refresh_token', stockApi],
      ],
    )
  })

  test('F2: comes of one refresh at a time, whatever the routes and nodes: no refresh token is seen twice', async () => {
    await using world = await startSeveralApis({ nodes: 2 })
    world.token.add(expiredAtOnce)
    const browser = await logIn(world)
    const apis = { '/own/x': ownApi, '/orders/x': ordersApi, '/stock/x': stockApi }
    const paths = Object.keys(apis)
    const over = await Promise.all(paths.map((path) => world.call(browser, path)))
    world.token.add({})
    const before = world.asked.length
    const answers = await Promise.all(
      Object.entries(apis).flatMap(([path, api]) =>
        Array.from({ length: 20 }, async (_, i) => {
          let answer = await world.call(browser, path, i % 2)
          // By another node's clock the token may have some milliseconds left.
          while (over.includes(answer)) answer = await world.call(browser, path, i % 2)
          assert.ok(isFor(api)(answer), `${path}: ${answer}`)
          return answer
        }),
      ),
    )
    assert.equal(new Set(answers).size, paths.length)
    assert.equal(world.asked.length - before, paths.length)
    const presented = world.asked.map(({ refreshToken }) => refreshToken)
    assert.equal(new Set(presented).size, presented.length)
    assert.ok(world.asked.every(({ error }) => error === null))
  })

  test('X4: that the provider does not give is a 403 of that route alone, and is not asked for by each call', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const own = await world.call(browser, '/own/x')
    const refusals = [
      ['/orders/x', 400, 'invalid_target'],
      ['/stock/x', 400, 'invalid_scope'],
      ['/audits/x', 403, 'access_denied'],
    ] as const
    for (const [path, status, error] of refusals) {
      world.token.answerWith({ ...refusal(error), status })
      assert.equal(await world.call(browser, path), '403 insufficient_scope')
      world.token.answerWith(null)
      const { requests } = world.token
      assert.equal(await world.call(browser, path), '403 insufficient_scope')
      assert.equal(world.token.requests, requests)
    }
    assert.equal(world.log.filter(({ msg }) => msg === 'token_not_granted').length, refusals.length)
    world.onRequest(refuse([own]))
    assert.ok(isFor(ownApi)(await world.call(browser, '/own/x')), 'the session’s own is refreshed at once')
    const other = await logIn(world)
    assert.ok(isFor(ordersApi)(await world.call(other, '/orders/x')))
  })

  test('that is refused by invalid_grant ends no session whose refresh token is good', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const { call, release } = await world.hold(browser, '/orders/x')
    world.token.answerWith(refusal('invalid_grant'))
    release()
    await setImmediate() // the answer is chosen, and not here yet
    world.token.answerWith(null)
    assert.equal(await call, '403 insufficient_scope')
    assert.deepEqual(
      world.asked.map(({ resource }) => resource),
      [ownApi],
    )
    assert.ok(isFor(ownApi)(await world.call(browser, '/own/x')))
  })

  test('ends the session when the refresh token is dead', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    world.provider.revokeGrants()
    assert.equal(await world.call(browser, '/orders/x'), '401 session_ended')
    assert.equal(await world.call(browser, '/own/x'), '401 no_session')
  })

  test('for a resource that the login did not ask for is not to be had, and the provider not asked', async () => {
    await using world = await startSeveralApis({ routes: { own: usualRoutes.own } })
    const browser = await logIn(world)
    const [own] = world.options.routes
    const orders = { upstream: own?.upstream ?? '', path: '/orders', ...usualRoutes.orders }
    const later = createBff({ ...world.options, routes: [orders] }, { log: createRecordedLog().log })
    await later.ready()
    const address = (await later.listen()).address()
    const response = await fetch(`http://127.0.0.1:${Object(address).port}/orders/x`, {
      headers: { 'x-csrf': '1', cookie: `bff=${browser.cookies.get('bff')?.value}`, connection: 'close' },
    })
    assert.deepEqual([response.status, (await response.json()).code], [403, 'insufficient_scope'])
    await later.close()
    assert.deepEqual(world.asked, [])
    assert.ok(isFor(ownApi)(await world.call(browser, '/own/x')))
  })

  test('that an API refuses is replaced once, by one for the same API', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const own = await world.call(browser, '/own/x')
    const first = await world.call(browser, '/orders/x')
    world.onRequest(refuse([first]))
    const second = await world.call(browser, '/orders/x')
    assert.ok(isFor(ordersApi)(second), second)
    assert.equal(world.asked.length, 2)
    world.onRequest(refuse([first, second]))
    for (let i = 0; i < 3; i++) assert.equal(await world.call(browser, '/orders/x'), '401 refused')
    assert.equal(world.asked.length, 2)
    assert.equal(await world.call(browser, '/own/x'), own)
  })

  for (const [where, node] of Object.entries({ 'the same node': 0, 'another node': 1 })) {
    test(`that is refused while ${where} refreshes for another API is replaced by the refresh after that`, async () => {
      await using world = await startSeveralApis({ nodes: 2 })
      const browser = await logIn(world)
      const own = await world.call(browser, '/own/x')
      const { call: orders, release } = await world.hold(browser, '/orders/x', node)
      const refused = new Promise((resolve) =>
        world.onRequest((request, response) => {
          const refuses = refuse([own])(request, response)
          if (refuses) resolve(undefined)
          return refuses
        }),
      )
      const call = world.call(browser, '/own/x', 0)
      await refused
      await pause(50) // or it would have nothing to wait for; the answers are the same
      release()
      assert.ok(isFor(ordersApi)(await orders))
      const answer = await call
      assert.ok(isFor(ownApi)(answer) && answer !== own, answer)
      assert.deepEqual(
        world.asked.map(({ resource }) => resource),
        [ordersApi, ownApi],
      )
    })
  }

  test('has to have the scope that its route demands', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    assert.equal(await world.call(browser, '/writes/x'), '403 insufficient_scope')
    await using granting = await startSeveralApis({ bff: { scope: 'openid offline_access api:read api:write' } })
    assert.ok(isFor(ordersApi)(await granting.call(await logIn(granting), '/writes/x')))
  })

  test('is nobody’s when its user has logged out while it was fetched', async () => {
    await using world = await startSeveralApis()
    const browser = await logIn(world)
    const { call, release } = await world.hold(browser, '/orders/x')
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    release()
    assert.equal(await call, '401 no_session')
    assert.equal(await world.call(browser, '/orders/x'), '401 no_session')
  })
})
