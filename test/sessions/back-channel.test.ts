import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventsOf } from '../support/event-stream.ts'
import { freePort } from '../support/free-port.ts'
import { startWorld } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn, logOutAtProvider, postLogoutToken } from './logout-issuer.ts'

const asEventSource = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }

describe('back-channel logout', { concurrency: 3 }, () => {
  test('L6: logging out at the provider ends the session on every node, and what it had open', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld({ ...issuer.world, nodes: 2 })
    const [alice, elsewhere] = [world.browser(), world.browser()]
    await elsewhere.login()
    await alice.login()
    world.upstream.onRequest(({ url }, response) => {
      if (url !== '/stream') return false
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n')
      return true
    })
    const [, second = world] = world.nodes.map(({ relay }) => relay.origin)
    const proxied = await alice.request(`${second}/api/stream`, { headers: asEventSource })
    const events = eventsOf(await alice.request(`${second}/bff/events`, { headers: asEventSource }))
    const ended = [events.next(), proxied.text().catch(() => 'broken off')]

    await logOutAtProvider(world, alice)
    const began = performance.now()
    const [told] = await Promise.allSettled(ended)
    assert.ok(performance.now() - began < 10_000, 'before a node looks by itself')
    assert.deepEqual(told, {
      status: 'fulfilled',
      value: { done: false, value: { event: 'ended', data: { reason: 'backchannel_logout' } } },
    })
    assert.equal(await isSignedIn(world, alice), false)
    assert.equal(await isSignedIn(world, elsewhere), true, 'another session of the same user')
    assert.equal(said(world.log, 'session_ended', 'backchannel_logout'), 1)
  })

  for (const store of ['redis', 'memory'] as const) {
    test(`L6: a token with sub alone ends all of that user's sessions, and nobody else's, in ${store}`, async () => {
      // Sessions of theirs that have a sid are ended too.
      const issuer = await createLogoutIssuer()
      await using world = await startWorld({ ...issuer.world, store })
      const [bob, ...alices] = Array.from({ length: 4 }, () => world.browser())
      await bob?.login('bob')
      for (const alice of alices) await alice.login('alice')
      const response = await postLogoutToken(world, await issuer.token({ sid: undefined }))
      assert.equal(response.status, 200)
      for (const alice of alices) assert.equal(await isSignedIn(world, alice), false)
      assert.ok(bob && (await isSignedIn(world, bob)))
    })
  }

  for (const store of ['redis', 'memory'] as const) {
    test(`L6: a token with sub and sid ends that user's sessions whose ID token had no sid, in ${store}`, async () => {
      const issuer = await createLogoutIssuer(false)
      await using world = await startWorld({ ...issuer.world, store })
      const [alice, bob] = [world.browser(), world.browser()]
      await bob.login('bob')
      await alice.login('alice')
      assert.equal(issuer.claims()['sid'], undefined)
      assert.equal((await postLogoutToken(world, await issuer.token({ sid: 'session-1' }))).status, 200)
      assert.deepEqual([await isSignedIn(world, alice), await isSignedIn(world, bob)], [false, true])
    })

    test(`L6: a token with sub and sid leaves that user's sessions of another sid alone, in ${store}`, async () => {
      const issuer = await createLogoutIssuer()
      await using world = await startWorld({ ...issuer.world, store })
      const alice = world.browser()
      await alice.login('alice')
      assert.equal((await postLogoutToken(world, await issuer.token({ sid: 'another' }))).status, 200)
      assert.equal(await isSignedIn(world, alice), true)
    })
  }

  test('L3: a token may name the session alone; of its user, and in any order', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    const browser = world.browser()
    await browser.login()
    assert.equal((await postLogoutToken(world, await issuer.token({ sub: undefined }))).status, 200)
    assert.equal(await isSignedIn(world, browser), false)
  })

  test('L3: one who has logged out already, and one whom nobody knows, is no error', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    const browser = world.browser()
    await browser.login()
    await browser.api('/bff/logout', { method: 'POST' })
    const changes = [{}, { sid: undefined }, { sid: 'unknown' }, { sub: 'unknown', sid: undefined }]
    for (const change of changes) assert.equal((await postLogoutToken(world, await issuer.token(change))).status, 200)
  })

  test('an issuer that is configured with a slash more is the same issuer', async () => {
    const issuer = await createLogoutIssuer()
    const port = await freePort()
    const provider = { ...issuer.world.provider, port }
    await using world = await startWorld({ ...issuer.world, provider, bff: { issuer: `http://127.0.0.1:${port}/` } })
    const browser = world.browser()
    await browser.login()
    assert.equal((await browser.api('/bff/sessions')).status, 200)
    assert.equal((await postLogoutToken(world, await issuer.token({ sid: undefined }))).status, 200)
    assert.equal(await isSignedIn(world, browser), false)
  })

  test('L4: the answer is stored nowhere, and sets no cookie', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    await world.browser().login()
    const bad = await postLogoutToken(world, 'x')
    const good = await postLogoutToken(world, await issuer.token())
    for (const response of [bad, good]) {
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
    assert.equal(bad.headers.get('content-type'), 'application/json')
    const { error } = (await bad.json()) as { error: string }
    assert.equal(error, 'invalid_request')
  })

  test('L5: a token does what it says once, wherever it is shown, also to two nodes at once', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld({ ...issuer.world, nodes: 2 })
    const browser = world.browser()
    await browser.login()
    // Earlier than the login below, which would otherwise be from before the logout.
    const iat = Math.floor(Date.now() / 1000) - 10
    const token = await issuer.token({ sid: undefined, iat })
    const answers = await Promise.all([0, 1].map((node) => postLogoutToken(world, token, node)))
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 400])
    await browser.login()
    for (const node of [0, 1]) assert.equal((await postLogoutToken(world, token, node)).status, 400)
    assert.equal(await isSignedIn(world, browser), true)
  })
})

function said(log: readonly { msg: string; [fact: string]: unknown }[], event: string, reason: string): number {
  return log.filter((line) => line.msg === event && line['reason'] === reason).length
}
