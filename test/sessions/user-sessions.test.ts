import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SessionsBody } from '../../src/wire.ts'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'
import { startBalancedNodes } from './balanced-nodes.ts'

const agents = {
  firefox: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  edge: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
  safari:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
}

async function loggedIn(world: World, user = 'alice', userAgent?: string): Promise<Browser> {
  const browser = world.browser()
  if (userAgent !== undefined) browser.always.set('user-agent', userAgent)
  await browser.login(user)
  return browser
}

async function list(browser: Browser): Promise<SessionsBody['sessions']> {
  const response = await browser.api('/bff/sessions')
  assert.equal(response.status, 200)
  return ((await response.json()) as SessionsBody).sessions
}

const status = async (browser: Browser) => (await browser.api('/api/x')).status

for (const store of ['redis', 'memory'] as const) {
  describe(`a user’s sessions, in ${store}`, () => {
    test('are listed with when, where and which one is asking, and nobody else’s among them', async () => {
      await using world = await startWorld({ store })
      const began = Date.now()
      const phone = await loggedIn(world, 'alice', agents.safari)
      const desk = await loggedIn(world, 'alice', agents.firefox)
      await loggedIn(world, 'bob', agents.edge)
      const sessions = await list(desk)
      assert.deepEqual(
        sessions.map(({ browser, current }) => [browser, current]),
        [
          ['Safari on iPhone', false],
          ['Firefox on Linux', true],
        ],
      )
      for (const { id, beganAt, lastSeenAt } of sessions) {
        assert.match(id, /^[\w-]{43}$/)
        assert.ok(Date.parse(beganAt) >= began - 1000 && Date.parse(beganAt) <= Date.now() + 1000, beganAt)
        assert.ok(Date.parse(lastSeenAt) >= Date.parse(beganAt) - 100, lastSeenAt)
      }
      assert.deepEqual(
        (await list(phone)).map(({ id }) => id),
        sessions.map(({ id }) => id),
      )
    })

    test('can be ended one by one, from another of them', async () => {
      await using world = await startWorld({ store })
      const [phone, desk, bob] = [
        await loggedIn(world, 'alice', agents.safari),
        await loggedIn(world, 'alice'),
        await loggedIn(world, 'bob'),
      ]
      const other = (await list(desk)).find(({ current }) => !current)
      const path = `/bff/sessions/${other?.id}`
      assert.equal((await bob.api(path, { method: 'DELETE' })).status, 404, 'not by somebody else')
      assert.equal(await status(phone), 200)
      const ended = await desk.api(path, { method: 'DELETE' })
      assert.equal(ended.status, 204)
      assert.equal(await status(phone), 401)
      assert.equal((await phone.api('/bff/sessions')).status, 401)
      assert.equal(await status(desk), 200)
      assert.equal((await desk.api(path, { method: 'DELETE' })).status, 404, 'it is gone')
      assert.ok(world.log.some(({ msg, reason }) => msg === 'session_ended' && reason === 'ended_elsewhere'))
    })

    test('can all be ended but the one that asks', async () => {
      await using world = await startWorld({ store })
      const others = [await loggedIn(world), await loggedIn(world)]
      const [desk, bob] = [await loggedIn(world), await loggedIn(world, 'bob')]
      assert.equal((await desk.api('/bff/sessions', { method: 'DELETE' })).status, 204)
      for (const other of others) assert.equal(await status(other), 401)
      assert.equal(await status(desk), 200)
      assert.equal(await status(bob), 200)
      assert.equal((await list(desk)).length, 1)
    })
  })
}

test('a session that ends itself loses its cookie', async () => {
  await using world = await startWorld()
  const browser = await loggedIn(world)
  const [own] = await list(browser)
  assert.equal((await browser.api(`/bff/sessions/${own?.id}`, { method: 'DELETE' })).status, 204)
  assert.equal(browser.cookies.has('bff'), false)
})

test('sessions cannot be listed or ended without the anti-forgery header, nor by nobody', async () => {
  await using world = await startWorld()
  const browser = await loggedIn(world)
  const requests = [
    ['GET', '/bff/sessions'],
    ['DELETE', '/bff/sessions'],
    ['DELETE', `/bff/sessions/${(await list(browser))[0]?.id}`],
  ] as const
  for (const [method, path] of requests) {
    assert.equal((await browser.request(path, { method })).status, 403)
    assert.equal((await world.browser().api(path, { method })).status, 401)
  }
  assert.equal(await status(browser), 200)
})

test('an id that is none is not found, however it looks', async () => {
  await using world = await startWorld()
  const browser = await loggedIn(world)
  for (const id of ['x', '%00', '..%2f', 'é', 'a'.repeat(10_000), '%ff']) {
    const { status: answered } = await browser.api(`/bff/sessions/${id}`, { method: 'DELETE' })
    assert.ok(answered === 404 || answered === 400, `${id.slice(0, 20)}: ${answered}`)
  }
  assert.equal(await status(browser), 200)
})

test('with a most, a login ends the user’s oldest session beyond, and nobody else’s', async () => {
  await using world = await startWorld({ bff: { maxSessionsPerUser: 2 } })
  const bob = await loggedIn(world, 'bob')
  const [first, second] = [await loggedIn(world), await loggedIn(world)]
  await second.login() // replaces its own, which is not one more
  assert.equal(await status(first), 200)
  const third = await loggedIn(world)
  assert.equal(await status(first), 401)
  for (const browser of [second, third, bob]) assert.equal(await status(browser), 200)
  assert.ok(world.log.some(({ msg, reason }) => msg === 'session_ended' && reason === 'too_many_sessions'))
})

test('with a most, the oldest is the one that began first, also when sessions were given a longer life then', async () => {
  await using world = await startWorld({ bff: { maxSessionsPerUser: 1 } })
  await using nodes = await startBalancedNodes(world)
  await nodes.runWith({ absoluteTimeoutSeconds: 36_000 })
  const before = await loggedIn(world)
  await nodes.runWith({ absoluteTimeoutSeconds: 3_600 })
  const after = await loggedIn(world)
  assert.deepEqual([await status(before), await status(after)], [401, 200])
})
