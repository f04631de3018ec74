import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { decodeJwt } from 'jose'
import { fillInLogin, launchBrowser } from '../support/chromium.ts'
import { eventsOf } from '../support/event-stream.ts'
import { startWorld, type World } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn } from './logout-issuer.ts'

const asEventSource = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }

/** A page that shows the front-channel logout of a session in a frame. */
const framing = (world: World, { iss, sid }: { iss?: unknown; sid?: unknown }) =>
  `<!doctype html><iframe src="${world.origin}/bff/frontchannel?iss=${iss}&amp;sid=${sid}"></iframe>`

/** As a frame in the provider's page asks: no cookie of ours goes along. */
async function frame(world: World, query: Record<string, unknown>, node = 0): Promise<Response> {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }
  return await fetch(`${world.nodes[node]?.relay.origin}/bff/frontchannel?${search}`, { headers })
}

describe('front-channel logout', { concurrency: 2 }, () => {
  for (const store of ['redis', 'memory'] as const) {
    test(`L9: iss and sid end that session on every node, without a cookie, and revoke nothing, in ${store}`, async () => {
      const issuer = await createLogoutIssuer()
      await using world = await startWorld({ ...issuer.world, store, nodes: store === 'redis' ? 2 : 1 })
      const [alice, elsewhere] = [world.browser(), world.browser()]
      await elsewhere.login()
      await alice.login()
      const events = eventsOf(await alice.request('/bff/events', { headers: asEventSource }))
      const ended = events.next()
      const response = await frame(world, decodeJwt(issuer.idToken), world.nodes.length - 1)
      assert.equal(response.status, 200)
      assert.deepEqual((await ended).value, { event: 'ended', data: { reason: 'frontchannel_logout' } })
      assert.equal(await isSignedIn(world, alice), false)
      assert.equal(await isSignedIn(world, elsewhere), true)
      for (const { bff } of world.nodes) await bff.close()
      assert.equal(world.provider.counts.token_revoked, 0)
    })
  }

  test("L9: the answer may be framed by the provider's origin alone, and is stored nowhere", async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    await world.browser().login()
    const { iss, sid } = decodeJwt(issuer.idToken)
    const { headers } = await frame(world, { iss, sid })
    assert.equal(headers.get('content-security-policy'), `default-src 'none'; frame-ancestors ${world.provider.issuer}`)
    assert.equal(headers.get('x-frame-options'), null)
    assert.equal(headers.get('cache-control'), 'no-store')
    assert.deepEqual(headers.getSetCookie(), [])
    const refused = await frame(world, { sid })
    assert.match(refused.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
  })

  test("L9: in Chromium the provider's page shows it in a frame, and the session is over; no other page can show it", async () => {
    await using stack = new AsyncDisposableStack()
    const issuer = await createLogoutIssuer()
    const answerFrame = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url !== '/signed-out') return false
      response.writeHead(200, { 'content-type': 'text/html' }).end(framing(world, decodeJwt(issuer.idToken)))
      return true
    }
    const { provider } = issuer.world
    const intercept = async (request: IncomingMessage, response: ServerResponse) =>
      answerFrame(request, response) || (await provider.intercept(request, response))
    const world = stack.use(await startWorld({ ...issuer.world, provider: { ...provider, intercept } }))
    const stranger = createServer(answerFrame).listen(0, '127.0.0.1')
    stack.defer(() => void stranger.close())
    await once(stranger, 'listening')
    const chromium = await launchBrowser()
    stack.defer(() => chromium.close())
    const page = await (await chromium.newContext()).newPage()
    const userStatus = async () => {
      const response = await page.request.get(`${world.origin}/bff/user`, { headers: { 'x-csrf': '1' } })
      return response.status()
    }
    /** What a page has in its frame: our answer, or nothing, as the browser has refused to show it. */
    const framedBy = async (origin: string) => {
      const asked = page.waitForRequest(/frontchannel/)
      await page.goto(`${origin}/signed-out`)
      assert.equal(await (await asked).headerValue('cookie'), null)
      const frame = page.frames()[1]
      assert.ok(frame)
      return [await frame.title(), frame.url().startsWith(world.origin)]
    }
    const logIn = async () => {
      await page.goto(`${world.origin}/bff/login?returnUrl=/nothing&prompt=login`)
      await fillInLogin(page)
      await page.waitForURL(`${world.origin}/nothing`)
    }

    await logIn()
    assert.equal(await userStatus(), 200)
    assert.deepEqual(await framedBy(world.provider.issuer), ['Signed out', true])
    assert.equal(await userStatus(), 401)
    const address = stranger.address()
    assert.ok(typeof address === 'object' && address !== null)
    const [title, isOurs] = await framedBy(`http://127.0.0.1:${address.port}`)
    assert.deepEqual([title === 'Signed out', isOurs], [false, false])
  })

  test('L9: one without the other, another issuer, and what cannot be read end nothing', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    const alice = world.browser()
    await alice.login()
    const { iss, sid, sub } = decodeJwt(issuer.idToken)
    for (const query of [
      {},
      { iss },
      { sid },
      { iss, sub },
      { iss: '', sid },
      { iss, sid: '' },
      { iss: `${iss}/`, sid },
      { iss: 'https://evil.example', sid },
      { iss: world.origin, sid },
    ]) {
      assert.equal((await frame(world, query)).status, 400, JSON.stringify(query))
    }
    for (const query of [
      `iss=${iss}&sid=${sid}&sid=${sid}`,
      `iss=${iss}&iss=${iss}&sid=${sid}`,
      `iss[]=${iss}&sid=${sid}`,
    ]) {
      assert.equal((await fetch(`${world.origin}/bff/frontchannel?${query}`)).status, 400, query)
    }
    assert.equal(
      (await fetch(`${world.origin}/bff/frontchannel?iss=${iss}&sid=${sid}`, { method: 'POST' })).status,
      405,
    )
    for (const unknown of ['unknown', 'x'.repeat(10_000), 'Ålice 🎩', '\0', '__proto__']) {
      assert.equal((await frame(world, { iss, sid: unknown })).status, 200, 'already over, or never there')
    }
    assert.equal(await isSignedIn(world, alice), true)
    assert.equal((await frame(world, { iss, sid })).status, 200)
    assert.equal(await isSignedIn(world, alice), false)
  })
})
