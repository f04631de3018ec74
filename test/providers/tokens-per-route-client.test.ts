import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Browser } from '../support/browser.ts'
import { expiredAtOnce, refuse, type SeveralApis, startSeveralApis } from './several-apis.ts'

async function logIn(world: SeveralApis, user: string): Promise<Browser> {
  const browser = world.browser()
  await browser.login(user)
  return browser
}

const grants = (world: SeveralApis) => world.asked.map(({ grant }) => grant)

describe('the client’s own access token', { concurrency: 2 }, () => {
  test('is one for all who are logged in, and fetched once however many calls need it', async () => {
    await using world = await startSeveralApis()
    const users = [await logIn(world, 'alice'), await logIn(world, 'bob')]
    const calls = Array.from({ length: 10 }, () => users.map((user) => world.call(user, '/prices/x'))).flat()
    const answers = await Promise.all(calls)
    assert.match(answers[0] ?? '', /^https:..prices.example. /)
    assert.equal(new Set(answers).size, 1)
    assert.deepEqual(grants(world), ['client_credentials'])
  })

  test('is for nobody who is not logged in, and then not even fetched', async () => {
    await using world = await startSeveralApis()
    const browser = world.browser()
    assert.equal(await world.call(browser, '/prices/x'), '401 no_session')
    await browser.login()
    const { value = '' } = browser.cookies.get('bff') ?? {}
    await browser.api('/bff/logout', { method: 'POST' })
    browser.setCookie('bff', value)
    assert.equal(await world.call(browser, '/prices/x'), '401 no_session')
    assert.deepEqual(grants(world), [])
  })

  test('is fetched anew when it is over', async () => {
    await using world = await startSeveralApis()
    const alice = await logIn(world, 'alice')
    world.token.add(expiredAtOnce)
    const first = await world.call(alice, '/prices/x')
    world.token.add({})
    const second = await world.call(alice, '/prices/x')
    assert.notEqual(second, first)
    assert.equal(await world.call(alice, '/prices/x'), second)
    assert.equal(world.asked.length, 2)
  })

  test('is renewed ahead, and no call waits for that', async () => {
    await using world = await startSeveralApis()
    const alice = await logIn(world, 'alice')
    world.token.add({ expires_in: 3 })
    const first = await world.call(alice, '/prices/x')
    world.token.add({})
    const release = world.token.hold()
    let renewing = false
    const arrived = world.token.arrival().then(() => {
      renewing = true
    })
    while (!renewing) assert.equal(await world.call(alice, '/prices/x'), first)
    await arrived
    release()
    let answer = first
    while (answer === first) answer = await world.call(alice, '/prices/x')
    assert.match(answer, /^https:..prices.example. /)
    assert.equal(world.asked.length, 2)
  })

  test('that an API refuses is replaced once', async () => {
    await using world = await startSeveralApis()
    const alice = await logIn(world, 'alice')
    const first = await world.call(alice, '/prices/x')
    world.onRequest(refuse([first]))
    const second = await world.call(alice, '/prices/x')
    assert.notEqual(second, first)
    world.onRequest(refuse([first, second]))
    for (let i = 0; i < 3; i++) assert.equal(await world.call(alice, '/prices/x'), '401 refused')
    assert.equal(world.asked.length, 2)
  })

  for (const error of ['invalid_target', 'unauthorized_client']) {
    test(`that the provider does not give, ${error}, is a 503 of that route alone, and is asked for once`, async () => {
      await using world = await startSeveralApis({ bff: { timing: { decline: 60_000 } } })
      const alice = await logIn(world, 'alice')
      world.token.answerWith({ status: 400, body: JSON.stringify({ error }) })
      const { requests } = world.token
      for (let i = 0; i < 3; i++) assert.equal(await world.call(alice, '/prices/x'), '503 provider_unreachable')
      assert.equal(world.token.requests, requests + 1)
      assert.match(await world.call(alice, '/own/x'), /^https:/)
    })
  }
})
