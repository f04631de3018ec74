import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient, type RedisClientType } from 'redis'
import { refreshedRecord } from '../../src/session/session-record.ts'
import { createKeys, type Keys } from '../../src/storage/keys.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import { hang } from '../rotation/exchange.ts'
import { startRotatingProvider } from '../rotation/rotating-provider.ts'
import { beginSession, createDeployment, startTokenNode, until } from '../rotation/token-node.ts'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'

type Members = Record<string, unknown>

let world: World
let redis: RedisClientType
let keys: Keys
let seal: ReturnType<typeof createSeal>

before(async () => {
  world = await startWorld()
  const { redisUrl = '', redisPrefix = '', sessionSecret } = world.options
  redis = createClient({ url: redisUrl })
  await redis.connect()
  keys = createKeys(redisPrefix)
  seal = createSeal([String(sessionSecret)])
})
after(async () => {
  redis.destroy()
  await world.close()
})

async function logIn(): Promise<{ browser: Browser; ref: string }> {
  const browser = world.browser()
  await browser.login()
  return { browser, ref: String(world.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref']) }
}

/** Writes a record as it stands with another content, and leaves its lifetime alone. */
async function rewriteSession(ref: string, change: (record: Members) => unknown): Promise<void> {
  const record = JSON.parse(String(await redis.get(keys.session(ref))))
  await redis.set(keys.session(ref), JSON.stringify(change(record)), { expiration: 'KEEPTTL' })
}

/** Puts something else in the place of a record. */
async function overwrite(key: string, text: string): Promise<void> {
  await redis.set(key, text, { expiration: { type: 'EX', value: 60 } })
}

async function rewriteSet(ref: string, change: (set: Members) => unknown): Promise<void> {
  const set = JSON.parse(String(seal.open(`tokens ${ref}`, String(await redis.hGet(keys.tokens(ref), 'set')))))
  await redis.hSet(keys.tokens(ref), 'set', seal.close(`tokens ${ref}`, JSON.stringify(change(set))))
}

const newer = (record: Members) => ({ ...record, format: 2 })
const withMore = (record: Members) => ({ ...record, more: { of: ['a newer release'] } })

/** Not signed in any more, by an answer that takes no cookie away; and one login later all is well. */
async function assertLogsInAgain(browser: Browser, refused: readonly string[]): Promise<void> {
  for (const path of refused) {
    const response = await browser.api(path)
    assert.deepEqual([response.status, (await response.json()).code], [401, 'no_session'], path)
    assert.deepEqual(response.headers.getSetCookie(), [])
  }
  await browser.login()
  for (const path of ['/bff/user', '/api/x']) assert.equal((await browser.api(path)).status, 200, path)
}

describe('a session record that cannot be read is a re-login:', () => {
  const damages: Record<string, (ref: string) => Promise<unknown>> = {
    'a newer format': (ref) => rewriteSession(ref, newer),
    'no format': (ref) => rewriteSession(ref, ({ format: _, ...rest }) => rest),
    'no cookie': (ref) => rewriteSession(ref, ({ cookie: _, ...rest }) => rest),
    'no facts': (ref) => rewriteSession(ref, ({ facts: _, ...rest }) => rest),
    'facts that are none': (ref) => rewriteSession(ref, (record) => ({ ...record, facts: 'x' })),
    'facts without claims': (ref) => rewriteSession(ref, (record) => ({ ...record, facts: { endsAt: 1 } })),
    'a list': (ref) => rewriteSession(ref, () => []),
    null: (ref) => rewriteSession(ref, () => null),
    'cut off': async (ref) => overwrite(keys.session(ref), String(await redis.get(keys.session(ref))).slice(0, 50)),
    'no JSON': (ref) => overwrite(keys.session(ref), '\u0000\ufffd{'),
    nothing: (ref) => overwrite(keys.session(ref), ''),
    'another type': async (ref) => {
      await redis.del(keys.session(ref))
      await redis.hSet(keys.session(ref), 'a', 'b')
      await redis.expire(keys.session(ref), 60)
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    test(what, async () => {
      const { browser, ref } = await logIn()
      await damage(ref)
      await assertLogsInAgain(browser, ['/bff/user'])
    })
  }
})

describe('a token record that cannot be read is a re-login:', () => {
  const damages: Record<string, (ref: string) => Promise<unknown>> = {
    'a newer format': (ref) => rewriteSet(ref, newer),
    'no format': (ref) => rewriteSet(ref, ({ format: _, ...rest }) => rest),
    null: (ref) => rewriteSet(ref, () => null),
    'a list': (ref) => rewriteSet(ref, () => []),
    'a set that is cut off': async (ref) =>
      redis.hSet(keys.tokens(ref), 'set', String(await redis.hGet(keys.tokens(ref), 'set')).slice(0, 60)),
    'a set that is none': (ref) => redis.hSet(keys.tokens(ref), 'set', 'x'),
    'an empty set': (ref) => redis.hSet(keys.tokens(ref), 'set', ''),
    'no set': (ref) => redis.hDel(keys.tokens(ref), 'set'),
    "another session's set": async (ref) => {
      const other = await logIn()
      await redis.hSet(keys.tokens(ref), 'set', String(await redis.hGet(keys.tokens(other.ref), 'set')))
    },
    'no version': (ref) => redis.hDel(keys.tokens(ref), 'version'),
    'a version that is no number': (ref) => redis.hSet(keys.tokens(ref), 'version', 'x'),
    'no epoch': (ref) => redis.hDel(keys.tokens(ref), 'epoch'),
    'another type': (ref) => overwrite(keys.tokens(ref), 'garbage'),
  }
  for (const [what, damage] of Object.entries(damages)) {
    test(what, async () => {
      const { browser, ref } = await logIn()
      await browser.api('/api/x')
      await browser.api('/api/x') // by now the set is remembered, opened
      await damage(ref)
      await assertLogsInAgain(browser, ['/api/x', '/bff/user'])
    })
  }

  test('an end that is no number', async () => {
    const { browser, ref } = await logIn()
    await redis.hSet(keys.tokens(ref), 'endsAt', 'x')
    assert.ok((await browser.api('/bff/user')).status < 500)
    await assertLogsInAgain(browser, ['/bff/user', '/api/x'])
  })
})

test('a token record that is damaged while it is refreshed is no session, and harms nobody else', async () => {
  await using provider = await startRotatingProvider()
  const deployment = createDeployment(provider, { timing: { ask: 10_000 } })
  await using node = await startTokenNode(deployment)
  const ref = await beginSession(node, provider)
  const { first, exchange } = await hang(provider, () => node.ask(ref))
  const admin = await createClient({ url: deployment.redisUrl }).connect()
  await admin.hDel(createKeys(deployment.redisPrefix).tokens(ref), 'epoch')
  admin.destroy()
  const marks = () => node.script.calls.filter((call) => call === 'mark').length
  const before = marks()
  await until(() => marks() > before) // the renewal, which nobody waits for
  exchange.answer(exchange.process())
  assert.equal(await first, 'no_session')
  assert.equal(await node.ask(await beginSession(node, provider, 'bob')), 'bob.2')
})

describe('a pending login that cannot be read is begun again:', () => {
  const rewrite = async (change: (login: Members) => unknown) => {
    const key = await newestLogin()
    const name = `login ${key.slice(keys.login('').length)}`
    const login = JSON.parse(String(seal.open(name, String(await redis.hGet(key, 'payload')))))
    await redis.hSet(key, 'payload', seal.close(name, JSON.stringify(change(login))))
  }
  const damages: Record<string, () => Promise<unknown>> = {
    'a newer format': () => rewrite(newer),
    'no format': () => rewrite(({ format: _, ...rest }) => rest),
    null: () => rewrite(() => null),
    'no seal': async () => redis.hSet(await newestLogin(), 'payload', 'x'),
    'no payload': async () => redis.hDel(await newestLogin(), 'payload'),
    'another type': async () => overwrite(await newestLogin(), 'garbage'),
  }
  /** The one that is not in the store any more has been taken; no two tests run at once. */
  async function newestLogin(): Promise<string> {
    const [key, ...others] = await redis.keys(`${keys.login('')}*`)
    assert.deepEqual(others, [])
    return String(key)
  }
  for (const [what, damage] of Object.entries(damages)) {
    test(what, async () => {
      for (const left of await redis.keys(`${keys.login('')}*`)) await redis.del(left)
      const browser = world.browser()
      const login = await browser.startLogin()
      await damage()
      const page = await browser.finishLogin(login)
      assert.equal(page.status, 400)
      await browser.login()
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  }
})

describe('two releases side by side', () => {
  test('a node sends a browser home whose logout was begun in a newer format', async () => {
    const browser = world.browser()
    for (const held of [{ format: 2, state: 'x', returnUrl: '/there' }, ['x', '/there'], null]) {
      browser.setCookie('bff-logout', seal.close('logout', JSON.stringify(held)))
      const response = await browser.get('/bff/logout/callback?state=x')
      assert.deepEqual([response.status, response.headers.get('location')], [302, '/'])
    }
    browser.setCookie(
      'bff-logout',
      seal.close('logout', JSON.stringify({ format: 1, state: 'x', returnUrl: '/there' })),
    )
    assert.equal((await browser.get('/bff/logout/callback?state=x')).headers.get('location'), '/there')
  })

  test('a node leaves a record in a newer format as it is', async () => {
    const { browser, ref } = await logIn()
    await rewriteSession(ref, newer)
    await rewriteSet(ref, newer)
    const read = async () => [await redis.get(keys.session(ref)), await redis.hGetAll(keys.tokens(ref))]
    await redis.expire(keys.tokens(ref), 1_000)
    const found = await read()
    for (const path of ['/bff/user', '/api/x']) assert.equal((await browser.api(path)).status, 401)
    assert.deepEqual(await read(), found)
    assert.ok((await redis.ttl(keys.tokens(ref))) <= 1_000, 'it was not used')
    assert.equal(world.log.findLast(({ msg }) => msg === 'session_unreadable')?.['reason'], 'format')
    // Nor where a refresh brings other claims.
    assert.equal(refreshedRecord(['name'])(String(found[0]), { name: 'another' }), null)
  })

  test('a node that gets the lease to a set that it cannot read gives it back', async () => {
    await using provider = await startRotatingProvider()
    const timing = { lease: 60_000, waiter: 80_000 }
    await using node = await startTokenNode(createDeployment(provider, { timing }))
    const ref = await beginSession(node, provider)
    const { tokens } = node.store
    const acquiring = node.script.stop('acquire', 'before')
    const asked = node.ask(ref)
    await acquiring.reached
    const record = await tokens.read(ref)
    assert.ok(record)
    // As a newer release does that exchanges an access token.
    assert.equal(await tokens.rewriteSet(ref, { before: record.set, after: 'in a newer format' }), 'written')
    acquiring.go()
    assert.equal(await asked, 'provider_unreachable')
    const other = { ...record, id: 'other', doubt: null, open: false, leaseMs: 1_000 }
    assert.equal((await tokens.acquire(ref, other)).is, 'acquired')
  })

  test('a node does without what a newer release has added to any record, also where it writes it', async () => {
    const browser = world.browser()
    const login = await browser.startLogin()
    await browser.finishLogin(login)
    const ref = String(world.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref'])
    await rewriteSession(ref, (record) => {
      const { claims, ...facts } = record['facts'] as { claims: Members } // as the login has just written it
      return withMore({ ...record, facts: withMore({ ...facts, claims: withMore({ ...claims, name: 'another' }) }) })
    })
    await rewriteSet(ref, (set) => withMore({ ...set, expiresAt: 0 }))
    await redis.hSet(keys.tokens(ref), 'more', 'of a newer release')

    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(await redis.hGet(keys.tokens(ref), 'version'), '2', 'it was refreshed')
    assert.equal(await redis.hGet(keys.tokens(ref), 'more'), 'of a newer release')
    // The refreshed ID token says what the name is now, in the background.
    let user = await (await browser.api('/bff/user')).json()
    while (user.claims.name === 'another') user = await (await browser.api('/bff/user')).json()
    const { more, facts } = JSON.parse(String(await redis.get(keys.session(ref))))
    assert.ok(more && facts.more && facts.claims.more, 'what was added is still there')
    assert.equal((await browser.logout(user.logoutUrl)).status, 404) // there is no SPA
    assert.equal((await browser.api('/bff/user')).status, 401)
  })
})
