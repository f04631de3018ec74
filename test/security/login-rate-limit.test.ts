import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { createClient } from 'redis'
import { closeServer, listen } from '../../demo/listen.ts'
import { BffError } from '../../src/errors.ts'
import { createRateLimits } from '../../src/http/rate-limit.ts'
import { parseOptions } from '../../src/options.ts'
import { createMemoryStore } from '../../src/storage/memory-store.ts'
import { openLine } from '../proxy/raw-peers.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld, type World } from '../support/world.ts'

const perMinute = 3
/** A busy machine may keep a count waiting, and a count that is waited for in vain is none. */
const patient = { store: 3_000, grace: 4_000 }
const navigation = { 'sec-fetch-dest': 'document', accept: 'text/html' }

for (const store of ['redis', 'memory'] as const) {
  describe(`limits on login and callback, counted in ${store}`, () => {
    let world: World
    before(async () => {
      world = await startWorld({ store, bff: { loginsPerMinute: perMinute, trustProxy: 'loopback', timing: patient } })
      await untilCounted(world)
    })
    after(() => world.close())

    const ask = (path: string, address: string, accept = 'text/html') =>
      fetch(world.origin + path, {
        headers: { ...navigation, accept, 'x-forwarded-for': address },
        redirect: 'manual',
      })

    for (const [path, usual] of [
      ['/bff/login', 302],
      ['/bff/callback?state=x&code=y', 400],
    ] as const) {
      test(`one address too often at ${path} is 429 with Retry-After, another address is not`, async () => {
        for (let i = 0; i < perMinute; i++) assert.equal((await ask(path, '203.0.113.7')).status, usual)
        const refused = await ask(path, '203.0.113.7', 'application/json')
        assert.equal(refused.status, 429)
        const seconds = Number(refused.headers.get('retry-after'))
        assert.ok(seconds > 50 && seconds <= 60, `${seconds} s`)
        assert.equal((await refused.json()).code, 'too_many_requests')
        assert.deepEqual(refused.headers.getSetCookie(), [])
        assert.equal((await ask(path, '203.0.113.8')).status, usual)
      })
    }

    test('an address is the same whichever port a proxy names with it', async () => {
      for (const [address, other] of [
        ['203.0.113.20', '203.0.113.21'],
        ['[2001:db8:3::1]', '[2001:db8:4::1]'],
      ]) {
        for (let i = 0; i < perMinute; i++)
          assert.equal((await ask('/bff/login', `${address}:${50_000 + i}`)).status, 302)
        assert.equal((await ask('/bff/login', `${address}:60000`)).status, 429)
        assert.equal((await ask('/bff/login', `${other}:60000`)).status, 302)
      }
    })

    test('a person who is refused gets a page with the code and a way to try again', async () => {
      for (let i = 0; i < perMinute; i++) await ask('/bff/login', '203.0.113.9')
      const page = await (await ask('/bff/login', '203.0.113.9')).text()
      assert.match(page, /too_many_requests/)
      assert.match(page, /<a href="\/bff\/login">/)
    })

    for (const path of ['/bff/login', '/bff/callback?state=x&code=y']) {
      test(`what a neighbour's page asks for, and no window, uses up nobody's logins, at ${path}`, async () => {
        const address = `203.0.113.${path.length}`
        for (const destination of ['image', 'iframe', 'empty', 'script']) {
          const said = { 'sec-fetch-dest': destination, 'sec-fetch-site': 'same-site' }
          const headers = { accept: '*/*', 'x-forwarded-for': address, ...said }
          const { status } = await fetch(world.origin + path, { headers, redirect: 'manual' })
          assert.equal(status, 403)
        }
        for (let i = 0; i < perMinute; i++) assert.notEqual((await ask(path, address)).status, 429)
      })
    }

    test('the addresses of one IPv6 customer count as one', async () => {
      for (let i = 0; i < perMinute; i++) {
        assert.equal((await ask('/bff/login', `2001:db8:1:2:${i}::1`)).status, 302)
      }
      assert.equal((await ask('/bff/login', '2001:db8:1:2:ffff::1')).status, 429)
      assert.equal((await ask('/bff/login', '2001:db8:9:2::1')).status, 302)
    })

    test('reaching a limit is said once a window, and the address in no log line', () => {
      const reached = world.log.filter(({ msg }) => msg === 'rate_limit_reached')
      assert.deepEqual(
        reached.map(({ limit }) => limit),
        ['login', 'callback', 'login', 'login', 'login', 'login'],
      )
      assert.equal(/203\.0\.113|2001:db8/.test(JSON.stringify(world.log)), false)
    })
  })
}

test('whoever is not trusted as a proxy cannot choose the address that is counted', async () => {
  await using world = await startWorld({ store: 'memory', bff: { loginsPerMinute: perMinute } })
  const ask = (address: string) =>
    fetch(`${world.origin}/bff/login`, { headers: { ...navigation, 'x-forwarded-for': address }, redirect: 'manual' })
  for (let i = 0; i < perMinute; i++) assert.equal((await ask(`203.0.113.${i}`)).status, 302)
  assert.equal((await ask('203.0.113.200')).status, 429)
})

test('two nodes count together, under keys that live a minute and show no address', async () => {
  await using redis = await startRedis()
  await using world = await startWorld({
    redisUrl: redis.url,
    nodes: 2,
    bff: { loginsPerMinute: perMinute, trustProxy: 'loopback', redisPrefix: 'p', timing: patient },
  })
  for (const { relay } of world.nodes) await untilCounted(world, relay.origin)
  const statuses: number[] = []
  for (let i = 0; i <= perMinute; i++) {
    const { relay } = world.nodes[i % 2] ?? assert.fail()
    const headers = { ...navigation, 'x-forwarded-for': '203.0.113.7' }
    statuses.push((await fetch(`${relay.origin}/bff/login`, { headers, redirect: 'manual' })).status)
  }
  assert.deepEqual(statuses, [302, 302, 302, 429])
  const client = await createClient({ url: redis.url }).connect()
  const keys = await client.keys('p:hits:*')
  const [left] = await Promise.all(keys.map((key) => client.pTTL(key)))
  client.destroy()
  assert.equal(keys.length, 2, 'one of them is the address of this machine')
  assert.ok(left !== undefined && left > 0 && left <= 60_000)
  assert.equal((await redis.dump()).includes('203.0.113'), false)
})

test('while the store cannot count, logins go through to their own 503', async () => {
  await using redis = await startRedis()
  await using world = await startWorld({ redisUrl: redis.url, bff: { loginsPerMinute: perMinute } })
  await redis.kill()
  for (let i = 0; i < 2 * perMinute; i++) {
    const { status, headers } = await world.browser().navigate('/bff/login')
    assert.deepEqual([status, headers.get('retry-after')], [503, '1'])
  }
  assert.ok(world.log.some(({ msg }) => msg === 'rate_limit_failed'))
})

/** A server that answers with the status it is asked for, all but who do nothing wrong limited. @returns what was said, too */
async function startLimited() {
  const world = { publicUrl: 'https://app.example', issuer: 'https://login.example', clientId: 'a', clientSecret: 'b' }
  const routes = [{ path: '/api', upstream: 'http://127.0.0.1' }]
  const options = parseOptions(
    { ...world, routes, sessionSecret: 'x'.repeat(32), store: 'memory' },
    { production: false },
  )
  const said: string[] = []
  const limits = createRateLimits(options, createMemoryStore(1_000), (event) => void said.push(event))
  const app = express()
  const answer = async ({ query }: express.Request, response: express.Response) => {
    if (query['leave'] !== undefined) await once(response, 'close')
    response.status(Number(query['status'])).end()
  }
  app.get('/', limits.ofRefusals('some', perMinute, answer))
  app.use(((error, _request, response, _next) => {
    response.status(error instanceof BffError ? error.status : 500).end()
  }) satisfies express.ErrorRequestHandler)
  const server = createServer(app)
  const port = await listen(server, 0, '127.0.0.1')
  const ask = async (status: number) => (await fetch(`http://127.0.0.1:${port}/?status=${status}`)).status
  return { port, ask, said, [Symbol.asyncDispose]: () => closeServer(server) }
}

test('a limit of refusals counts no success, however many come at once', async () => {
  await using limited = await startLimited()
  const { ask, said } = limited
  const many = await Promise.all(Array.from({ length: 50 }, () => ask(200)))
  assert.deepEqual([...new Set(many)], [200])
  for (let i = 0; i < 2 * perMinute; i++) assert.equal(await ask(503), 503)
  for (let i = 0; i < perMinute; i++) assert.equal(await ask(400), 400)
  assert.equal(await ask(400), 429)
  assert.equal(await ask(200), 429)
  assert.deepEqual(said, ['rate_limit_reached'])
})

test('a limit of refusals counts those that nobody waited for', async () => {
  await using limited = await startLimited()
  for (let i = 0; i < perMinute; i++) {
    const { socket } = await openLine(limited.port)
    socket.end('GET /?leave&status=400 HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.destroySoon()
  }
  for (let i = 0; i < 1_000 && limited.said.length === 0; i++) assert.equal(await limited.ask(200), 200)
  assert.equal(await limited.ask(200), 429)
})

/** Resolves when a node counts: until the store is reached, and has the scripts, a login goes through without. */
async function untilCounted(world: World, origin = world.origin): Promise<void> {
  const failures = () => world.log.filter(({ msg }) => msg === 'rate_limit_failed').length
  for (;;) {
    const before = failures()
    const { status } = await world.browser().navigate(`${origin}/bff/login`)
    if (status !== 503 && failures() === before) return
  }
}
