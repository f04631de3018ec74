import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { variableOf } from '../../src/env.ts'
import type { SessionSummary } from '../../src/session/operator-sessions.ts'
import type { Browser } from '../support/browser.ts'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

async function loggedIn(world: World, user: string): Promise<Browser> {
  const browser = world.browser()
  await browser.login(user)
  return browser
}

const status = async (browser: Browser) => (await browser.api('/api/x')).status

/** A world whose operator's port is reached with or without its secret. */
async function startOperated(store: 'redis' | 'memory', provider: WorldOptions['provider'] = {}) {
  const adminPort = await freePort()
  const adminSecret = randomBytes(24).toString('base64url')
  const world = await startWorld({
    store,
    provider,
    bff: { adminPort, adminSecret, timing: { retry: 50, revoke: 500 } },
  })
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

    test('is told of each session once that it has ended, though its token is still to be revoked', async () => {
      const provider = {
        intercept: (request: IncomingMessage, response: ServerResponse) => {
          if (request.url !== '/token/revocation') return false
          response.writeHead(503).end()
          return true
        },
      }
      await using operated = await startOperated(store, provider)
      const { world, ask } = operated
      await loggedIn(world, 'alice')
      const counts: number[] = []
      for (let time = 0; time < 2; time++)
        counts.push((await (await ask('DELETE', '/sessions?sub=user-alice')).json()).ended)
      assert.deepEqual(counts, [1, 0])
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
  const posted = await ask('POST', '/sessions?all=true')
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, DELETE'])
  assert.equal(await status(browser), 200)
})

test('without a secret in the configuration there is no such page', async () => {
  const adminPort = await freePort()
  await using world = await startWorld({ bff: { adminPort } })
  assert.equal(world.options.adminPort, adminPort)
  assert.equal((await fetch(`http://127.0.0.1:${adminPort}/sessions?all=true`)).status, 404)
})

describe('coatcheck sessions', () => {
  test('lists and ends, from another process, what the servers serve', async () => {
    await using world = await startWorld()
    const [alice, bob] = [await loggedIn(world, 'alice'), await loggedIn(world, 'bob')]
    const listed = await run(world, ['list', '--sub', 'user-alice'])
    assert.equal(listed.code, 0)
    const subjects = listed.lines.flatMap((line) => JSON.parse(line).sub ?? [])
    assert.deepEqual(subjects, ['user-alice'])
    const ended = await run(world, ['end', '--sub', 'user-alice'])
    assert.deepEqual([ended.code, ended.lines.includes('ended: 1')], [0, true])
    assert.deepEqual([await status(alice), await status(bob)], [401, 200])
    assert.ok((await run(world, ['end', '--all'])).lines.includes('ended: 1'))
    assert.equal(await status(bob), 401)
  })

  test('ends, and counts, also what is sealed by a key that it lacks', async () => {
    await using world = await startWorld()
    const alice = await loggedIn(world, 'alice')
    const sessionSecret = randomBytes(32).toString('base64url')
    const { code, lines } = await run({ options: { ...world.options, sessionSecret } }, ['end', '--sub', 'user-alice'])
    assert.deepEqual([code, lines.includes('ended: 1')], [0, true])
    assert.equal(await status(alice), 401)
  })

  test('asks which, and ends nothing when that is not said once', async () => {
    await using world = await startWorld()
    const browser = await loggedIn(world, 'alice')
    for (const args of [['end'], ['end', '--all', '--sub', 'user-alice'], ['end', '--sub', ''], ['rename', '--all']]) {
      assert.equal((await run(world, args)).code, 2, args.join(' '))
    }
    assert.equal(await status(browser), 200)
  })

  test('refuses to look for sessions in its own memory', async () => {
    await using world = await startWorld({ store: 'memory' })
    const { code, lines } = await run(world, ['list', '--all'])
    assert.equal(code, 1)
    assert.match(lines.join('\n'), /BFF_REDIS_URL: required/)
  })

  test('says in one sentence that Redis is away', async () => {
    await using world = await startWorld()
    const away = { ...world.options, redisUrl: `redis://127.0.0.1:${await freePort()}`, timing: { connect: 300 } }
    const { code, lines } = await run({ options: away }, ['list', '--all'])
    assert.equal(code, 1)
    assert.ok(lines.includes('coatcheck: The session store cannot be reached at the moment.'), lines.join('\n'))
  })
})

/** Runs the command with the configuration of a world. */
async function run({ options }: Pick<World, 'options'>, args: readonly string[]) {
  const env = Object.entries(options).map(([name, value]) => [
    variableOf(name),
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const main = join(import.meta.dirname, '../../src/main.ts')
  await using child = await startChild(process.execPath, [main, 'sessions', ...args], { env: Object.fromEntries(env) })
  const code = await child.ended
  return { code, lines: child.output().split('\n') }
}
