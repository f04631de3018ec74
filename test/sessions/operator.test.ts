import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { SessionSummary } from '../../src/session/operator-sessions.ts'
import type { Browser } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { startWorld, type World } from '../support/world.ts'

async function loggedIn(world: World, user: string): Promise<Browser> {
  const browser = world.browser()
  await browser.login(user)
  return browser
}

const status = async (browser: Browser) => (await browser.api('/api/x')).status

/** A world whose operator's port is reached with or without its secret. */
async function startOperated(store: 'redis' | 'memory') {
  const adminPort = await freePort()
  const adminSecret = randomBytes(24).toString('base64url')
  const world = await startWorld({ store, bff: { adminPort, adminSecret } })
  const ask = (method: string, path: string, secret: string | null = adminSecret) =>
    fetch(`http://127.0.0.1:${adminPort}${path}`, {
      method,
      headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    })
  const list = async (query: string): Promise<SessionSummary[]> => {
    const response = await ask('GET', `/sessions?${query}`)
    assert.equal(response.status, 200)
    const text = await response.text()
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }
  return { world, ask, list, [Symbol.asyncDispose]: world.close }
}

for (const store of ['redis', 'memory'] as const) {
  describe(`the operator, sessions in ${store}`, () => {
    test('sees everybody’s sessions, or one user’s, and no token among it', async () => {
      await using operated = await startOperated(store)
      const { world, list } = operated
      await loggedIn(world, 'alice')
      await loggedIn(world, 'alice')
      await loggedIn(world, 'bob')
      const everybody = await list('all=true')
      assert.deepEqual(everybody.map(({ sub }) => sub).sort(), ['user-alice', 'user-alice', 'user-bob'])
      const [bob] = await list('sub=user-bob')
      assert.deepEqual(Object.keys(bob ?? {}), ['ref', 'sub', 'beganAt', 'lastSeenAt', 'browser'])
      assert.deepEqual(await list('sub=nobody'), [])
    })

    test('ends a user’s sessions everywhere, and revokes what they could spend', async () => {
      await using operated = await startOperated(store)
      const { world, ask } = operated
      const [one, two] = [await loggedIn(world, 'alice'), await loggedIn(world, 'alice')]
      const bob = await loggedIn(world, 'bob')
      const ended = await ask('DELETE', '/sessions?sub=user-alice')
      assert.deepEqual([ended.status, await ended.json()], [200, { ended: 2 }])
      assert.deepEqual([await status(one), await status(two), await status(bob)], [401, 401, 200])
      await world.nodes[0]?.bff.close() // which waits for what is to be revoked
      assert.equal(world.log.filter(({ msg, outcome }) => msg === 'revoked' && outcome === 'revoked').length, 2)
    })

    test('ends them all, without asking the provider to revoke each', async () => {
      await using operated = await startOperated(store)
      const { world, ask } = operated
      const browsers = [await loggedIn(world, 'alice'), await loggedIn(world, 'bob')]
      assert.deepEqual(await (await ask('DELETE', '/sessions?all=true')).json(), { ended: 2 })
      for (const browser of browsers) assert.equal(await status(browser), 401)
      assert.equal(
        world.log.some(({ msg }) => msg === 'revoked'),
        false,
      )
    })
  })
}

test('nobody lists or ends sessions without the secret', async () => {
  await using operated = await startOperated('redis')
  const { world, ask } = operated
  const browser = await loggedIn(world, 'alice')
  for (const secret of [null, 'x', randomBytes(24).toString('base64url')]) {
    for (const method of ['GET', 'DELETE']) assert.equal((await ask(method, '/sessions?all=true', secret)).status, 401)
  }
  assert.equal(await status(browser), 200)
})

test('which sessions are meant has to be said, once', async () => {
  await using operated = await startOperated('redis')
  const { world, ask } = operated
  const browser = await loggedIn(world, 'alice')
  for (const query of ['', '?', '?sub=', '?all=1', '?sub=a&sid=b', '?sub=a&sub=b', '?user=a']) {
    assert.equal((await ask('DELETE', `/sessions${query}`)).status, 400, query)
  }
  assert.equal((await ask('POST', '/sessions?all=true')).status, 405)
  assert.equal(await status(browser), 200)
})

test('without a secret in the configuration there is no such page', async () => {
  const adminPort = await freePort()
  await using world = await startWorld({ bff: { adminPort } })
  assert.equal(world.options.adminPort, adminPort)
  assert.equal((await fetch(`http://127.0.0.1:${adminPort}/sessions?all=true`)).status, 404)
})
