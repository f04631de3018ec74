import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { BffOptions } from '../../src/index.ts'
import { openLine, startRawUpstream } from '../proxy/raw-peers.ts'
import { agreed, signIn } from '../proxy/stream-peers.ts'
import { eventsOf } from '../support/event-stream.ts'
import { createTokenEndpoint } from '../support/token-endpoint.ts'
import { sha256, type UpstreamHandler } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

const refused =
  'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error="invalid_token"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'

/** Refuses the tokens that were seen up to now, or every one. */
function refusing(which: 'seen' | 'all', seen: Set<string>): UpstreamHandler {
  const refused = new Set(seen)
  return (request, response) => {
    const hash = sha256(request.headers.authorization ?? '')
    if (which === 'seen' && !refused.has(hash)) return false
    response.writeHead(401, { 'www-authenticate': 'Bearer realm="api", error="invalid_token"' }).end('refused')
    return true
  }
}

/** A world in which a user has called the API once, with the one token there is. */
async function begin(bff: Partial<BffOptions> = {}) {
  const token = createTokenEndpoint()
  const world: World = await startWorld({ provider: { intercept: token.intercept }, bff })
  const browser = world.browser()
  await browser.login()
  const { authorizationSha256 } = await (await browser.api('/api/x')).json()
  const seen = new Set<string>([authorizationSha256])
  return { world, browser, token, seen, [Symbol.asyncDispose]: world.close }
}

describe('an upstream that says 401 invalid_token', { concurrency: 2 }, () => {
  test('gets the request once more with a fresh token, and nobody notices', async () => {
    await using running = await begin()
    const { world, browser, seen } = running
    world.upstream.onRequest(refusing('seen', seen))
    const response = await browser.api('/api/y?z=1')
    assert.equal(response.status, 200)
    const echo = await response.json()
    assert.equal(echo.url, '/y?z=1')
    assert.equal(seen.has(echo.authorizationSha256), false)
    assert.equal(world.provider.counts.refresh, 1)
  })

  test('to a WebSocket handshake gets it once more, too, with what lay behind it', async () => {
    await using raw = await startRawUpstream()
    const routes = [{ path: '/api', upstream: raw.url, webSocket: true }]
    await using world = await startWorld({ bff: { routes } })
    const { handshake } = await signIn(world)
    let asked = 0
    raw.say((socket) => {
      asked += 1
      socket.write(asked === 1 ? refused : agreed)
    })
    const line = await openLine(world.relay.port)
    line.socket.write(`${handshake}behind it`)
    await line.until('\r\n\r\n')
    assert.match(line.text, /^HTTP\/1\.1 101 /)
    line.socket.end()
    await raw.emptied()
    const [first, second] = raw.heard.map((said) => /^Authorization: (.+)$/im.exec(said)?.[1])
    assert.ok(first !== undefined && second !== undefined && first !== second)
    assert.ok(raw.heard.at(-1)?.endsWith('\r\n\r\nbehind it'))
    assert.equal(world.provider.counts.refresh, 1)
  })

  test('brings about one refresh, however many calls it refuses at once', async () => {
    await using running = await begin()
    const { world, browser, seen } = running
    world.upstream.onRequest(refusing('seen', seen))
    const calls = Array.from({ length: 50 }, async () => (await browser.api('/api/x')).status)
    assert.deepEqual(new Set(await Promise.all(calls)), new Set([200]))
    assert.equal(world.provider.counts.refresh, 1)
  })

  test('and refuses the fresh token too, has the last word, and brings about no second refresh', async () => {
    await using running = await begin()
    const { world, browser, seen } = running
    world.upstream.onRequest(refusing('all', seen))
    for (let i = 0; i < 10; i++) {
      const response = await browser.api('/api/x')
      assert.equal(response.status, 401)
      assert.equal(await response.text(), 'refused')
      assert.equal(response.headers.get('www-authenticate'), null)
    }
    assert.equal(world.provider.counts.refresh, 1)
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  test('to a request that it lost at first, with its connection, gets it once more with a fresh token', async () => {
    await using running = await begin()
    const { world, browser, seen } = running
    await browser.api('/api/x') // leaves a connection that is kept
    const tokens: string[] = []
    world.upstream.onRequest((request, response) => {
      tokens.push(sha256(request.headers.authorization ?? ''))
      if (tokens.length > 1) return refusing('seen', seen)(request, response)
      request.socket.destroy()
      return true
    })
    const response = await browser.api('/api/x')
    assert.equal(response.status, 200)
    const { authorizationSha256 } = await response.json()
    assert.deepEqual(tokens, [...seen, ...seen, authorizationSha256])
  })

  test('to a request with a body is not asked again, and the next one has a fresh token', async () => {
    await using running = await begin()
    const { world, browser, seen, token } = running
    world.upstream.onRequest(refusing('seen', seen))
    const before = world.upstream.requests
    const refreshed = token.arrival()
    const response = await browser.api('/api/x', { method: 'POST', body: 'once' })
    assert.deepEqual([response.status, await response.text()], [401, 'refused'])
    assert.equal(world.upstream.requests, before + 1)
    await refreshed
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(world.provider.counts.refresh, 1)
  })

  test('leaves nothing open when its client leaves while another token is asked for', async () => {
    await using running = await begin({ idleTimeoutSeconds: 2 })
    const { world, browser, token } = running
    const gone = Promise.withResolvers<void>()
    world.upstream.onRequest((_request, response) => {
      const headers = { 'www-authenticate': 'Bearer error="invalid_token"', 'content-type': 'text/event-stream' }
      response.writeHead(401, headers).flushHeaders()
      response.once('close', gone.resolve)
      return true
    })
    const answer = token.hold()
    const asked = token.arrival()
    const leaving = new AbortController()
    const call = browser.api('/api/events', { signal: leaving.signal })
    await asked
    leaving.abort()
    await assert.rejects(call)
    await gone.promise
    token.answerWith({ status: 503 })
    answer()
    const later = world.browser()
    const login = await later.startLogin()
    token.answerWith(null)
    await later.finishLogin(login)
    const events = await Array.fromAsync(eventsOf(await later.api('/bff/events')))
    assert.equal(events.at(-1)?.event, 'ended')
    // Of a session that runs out somebody hears at once where a stream is open, and only there.
    const saying = (event: string) => world.log.filter(({ msg }) => msg === event).map((line) => line['ref'])
    const [left] = saying('login_succeeded')
    assert.ok(left !== undefined && !saying('session_ended').includes(left))
  })

  const ends: [string, string, Record<string, string>][] = [
    ['to HEAD', 'HEAD', {}],
    ['without a body, and closes the connection', 'GET', { connection: 'close', 'content-length': '0' }],
    ['with a body, and closes the connection', 'GET', { connection: 'close' }],
  ]
  for (const [what, method, headers] of ends) {
    /** Refuses tokens, and tells when a connection that it closes has closed. */
    const refuse = (world: World, isRefused: (hash: string) => boolean) => {
      const closed = Promise.withResolvers<void>()
      world.upstream.onRequest((request, response) => {
        if (!isRefused(sha256(request.headers.authorization ?? ''))) return false
        response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"', ...headers })
        response.end(headers['content-length'] === '0' ? undefined : 'refused')
        if (headers['connection'] === undefined) closed.resolve()
        else request.socket.once('close', closed.resolve)
        return true
      })
      return closed.promise
    }

    test(`${what} is over before there is another token, and waits for it`, async () => {
      await using running = await begin()
      const { world, browser, token, seen } = running
      const closed = refuse(world, (hash) => seen.has(hash))
      const answer = token.hold()
      const asked = token.arrival()
      const call = browser.api('/api/x', { method })
      await Promise.all([asked, closed])
      answer()
      assert.equal((await call).status, 200)
    })

    test(`${what} has the last word when there is no other token`, async () => {
      await using running = await begin()
      const { world, browser, token } = running
      const closed = refuse(world, () => true)
      const answer = token.hold()
      const asked = token.arrival()
      token.answerWith({ status: 503 })
      const call = browser.api('/api/x', { method })
      await Promise.all([asked, closed])
      answer()
      const response = await call
      assert.deepEqual([response.status, response.headers.get('cache-control')], [401, 'private, no-store'])
      assert.equal(await response.text(), what.startsWith('with a body') ? 'refused' : '')
    })
  }

  test('and breaks off before there is another token gets the request once more', async () => {
    await using running = await begin()
    const { world, browser, token, seen } = running
    const refused = Promise.withResolvers<Socket>()
    world.upstream.onRequest((request, response) => {
      if (!seen.has(sha256(request.headers.authorization ?? ''))) return false
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"', 'content-length': '100' })
      response.write('half')
      refused.resolve(request.socket)
      return true
    })
    const answer = token.hold()
    const asked = token.arrival()
    const call = browser.api('/api/x')
    await asked
    ;(await refused.promise).resetAndDestroy()
    await fetch(world.origin) // meanwhile that has been heard of
    answer()
    assert.equal((await call).status, 200)
  })

  test('for another reason is left alone', async () => {
    await using running = await begin()
    const { world, browser } = running
    for (const challenge of [
      'Basic realm="x"',
      'Bearer',
      'Bearer error="insufficient_scope"',
      'Bearer error="invalid_token_x"',
    ]) {
      world.upstream.onRequest((_request, response) => {
        response.writeHead(401, { 'www-authenticate': challenge }).end()
        return true
      })
      assert.equal((await browser.api('/api/x')).status, 401)
    }
    assert.equal(world.provider.counts.refresh, 0)
  })

  test('while the provider is down has the last word, and the session lives', async () => {
    await using running = await begin()
    const { world, browser, seen, token } = running
    world.upstream.onRequest(refusing('seen', seen))
    token.answerWith({ status: 503 })
    assert.equal((await browser.api('/api/x')).status, 401)
    assert.equal((await browser.api('/bff/user')).status, 200)
  })

  test('when the grant is gone ends the session', async () => {
    await using running = await begin()
    const { world, browser, seen } = running
    world.upstream.onRequest(refusing('seen', seen))
    world.provider.revokeGrants()
    const response = await browser.api('/api/x')
    assert.deepEqual([response.status, (await response.json()).code], [401, 'session_ended'])
    assert.equal((await browser.api('/bff/user')).status, 401)
  })
})
