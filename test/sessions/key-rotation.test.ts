import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import type { BffOptions } from '../../src/index.ts'
import { generateSecret } from '../../src/secrets.ts'
import { createKeys } from '../../src/storage/keys.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import type { Browser } from '../support/browser.ts'
import { recordSecret } from '../support/secrets.ts'
import { sha256, type Upstream } from '../support/upstream.ts'
import { startWorld } from '../support/world.ts'
import { startBalancedNodes } from './balanced-nodes.ts'

const [old, next] = [newSecret(), newSecret()]

function newSecret(): string {
  const secret = generateSecret()
  recordSecret('session_secret', secret)
  return secret
}

/** A world whose nodes get their session secrets from the test. */
async function begin(bff: Partial<BffOptions> = {}) {
  await using started = new AsyncDisposableStack()
  const world = started.use(await startWorld({ bff }))
  const nodes = started.use(await startBalancedNodes(world))
  const { redisUrl = '', redisPrefix = '' } = world.options
  const redis = await createClient({ url: redisUrl }).connect()
  started.defer(() => redis.destroy())
  const keys = createKeys(redisPrefix)
  const newestRef = () => String(nodes.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref'])
  const setOf = async (ref: string) => String(await redis.hGet(keys.tokens(ref), 'set'))
  const all = started.move()
  return { world, nodes, redis, keys, newestRef, setOf, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Both nodes are asked for everything: what one of them could not read would not be 200. */
async function assertSignedIn(browser: Browser, when: string): Promise<void> {
  for (const path of ['/bff/user', '/bff/user', '/api/x', '/api/x']) {
    assert.equal((await browser.api(path)).status, 200, `${path} ${when}`)
  }
}

/** Brings about a refresh: an API refuses the token that it has been given so far. */
async function refresh(browser: Browser, upstream: Upstream): Promise<void> {
  const { authorizationSha256: before } = await (await browser.api('/api/x')).json()
  upstream.onRequest((request, response) => {
    if (sha256(request.headers.authorization ?? '') !== before) return false
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    return true
  })
  assert.equal((await browser.api('/api/x')).status, 200)
  upstream.onRequest(() => false)
}

/** What a secret's seal begins with. */
function nameOf(secret: string): string {
  return createSeal([secret]).close('', '').split('.')[0] ?? ''
}

async function startLogin(browser: Browser) {
  return { browser, login: await browser.startLogin() }
}

describe('changing the session secret', () => {
  test('in three steps, node by node, logs nobody out, and completes every login that is under way', async () => {
    await using running = await begin()
    const { world, nodes } = running
    await nodes.run([old], [old])
    const veteran = world.browser()
    await veteran.login()
    let underWay = await startLogin(world.browser())

    const steps: [string, ...string[][]][] = [
      ['while the new one is made known', [old, next], [old]],
      ['when all know the new one', [old, next], [old, next]],
      ['while the new one comes first', [next, old], [old, next]],
      ['when the new one comes first', [next, old], [next, old]],
      ['while the old one goes', [next], [next, old]],
      ['when the old one is gone', [next], [next]],
    ]
    for (const [when, ...secrets] of steps) {
      await nodes.run(...secrets)
      await assertSignedIn(veteran, when)
      const { browser, login } = underWay
      await browser.finishLogin(login, 'bob')
      await assertSignedIn(browser, when)
      await refresh(browser, world.upstream)
      await assertSignedIn(browser, `refreshed ${when}`)
      // Refreshed by whichever node: by the time the old secret goes, its record no longer needs it.
      if (when === 'when the new one comes first') await refresh(veteran, world.upstream)
      underWay = await startLogin(world.browser())
    }
    assert.equal(nodes.log.filter(({ msg }) => msg === 'session_unreadable').length, 0)
  })

  test('a record names the key that sealed it, and is sealed by the new one at its next write', async () => {
    await using running = await begin()
    const { world, nodes, newestRef, setOf } = running
    await nodes.run([old])
    const browser = world.browser()
    await browser.login()
    const ref = newestRef()
    assert.equal((await setOf(ref)).split('.')[0], nameOf(old))
    await nodes.run([next, old])
    await assertSignedIn(browser, 'before the next write')
    assert.equal((await setOf(ref)).split('.')[0], nameOf(old))
    await refresh(browser, world.upstream)
    assert.equal((await setOf(ref)).split('.')[0], nameOf(next))
  })

  test('a cookie that the old one signed is sent anew by the user endpoint alone: same id, same attributes', async () => {
    await using running = await begin()
    const { world, nodes } = running
    await nodes.run([old])
    const browser = world.browser()
    await browser.login()
    const atLogin = browser.visits.flatMap(({ headers }) => headers.getSetCookie()).find((line) => /^bff=s/.test(line))
    await nodes.run([next, old])

    assert.deepEqual((await browser.api('/api/x')).headers.getSetCookie(), [])
    const [line = '', ...others] = (await browser.api('/bff/user')).headers.getSetCookie()
    assert.deepEqual(others, [])
    const [before, ...attributes] = atLogin?.split('; ') ?? []
    const [after, ...same] = line.split('; ')
    assert.deepEqual(same, attributes)
    assert.notEqual(after, before)
    assert.equal(after?.split('.')[0], before?.split('.')[0])
    assert.deepEqual((await browser.api('/bff/user')).headers.getSetCookie(), [])
    await assertSignedIn(browser, 'with the new cookie')
  })

  test('a remembered cookie that is sent anew ends when the one before it would have', async () => {
    await using running = await begin({ remember: true })
    const { world, nodes, redis, keys, newestRef } = running
    await nodes.run([old])
    const browser = world.browser()
    await browser.login()
    await nodes.run([next, old])
    const [line = ''] = (await browser.api('/bff/user')).headers.getSetCookie()
    const { cookie } = JSON.parse(String(await redis.get(keys.session(newestRef()))))
    assert.ok(line.includes(`; Expires=${new Date(cookie.expires).toUTCString()};`), line)
  })

  test('a node that lacks the key of a record takes it for no session, says why, and leaves it to the others', async () => {
    await using running = await begin()
    const { world, nodes, redis, keys, newestRef, setOf } = running
    await nodes.run([old])
    const browser = world.browser()
    await browser.login()
    const [ref, cookie] = [newestRef(), browser.cookies.get('bff')]
    await nodes.run([next, old])
    await browser.api('/bff/user')
    const sealed = await setOf(ref)
    await redis.expire(keys.tokens(ref), 1_000)
    await nodes.run([next])

    for (const path of ['/api/x', '/bff/user', '/bff/events']) {
      const response = await browser.api(path)
      assert.equal(response.status, 401, path)
      assert.equal((await response.json()).code, 'no_session', path)
      assert.deepEqual(response.headers.getSetCookie(), [], path)
    }
    const said = nodes.log.filter(({ msg }) => msg === 'session_unreadable')
    assert.deepEqual(
      said.map((line) => [line['ref'], line['reason']]),
      [
        [ref, 'key_removed'],
        [ref, 'key_removed'],
        [ref, 'key_removed'],
      ],
    )
    assert.equal(await setOf(ref), sealed)
    assert.ok((await redis.ttl(keys.tokens(ref))) <= 1_000, 'it was not used')
    await nodes.run([next, old])
    await assertSignedIn(browser, 'where the key is')
    assert.notEqual(browser.cookies.get('bff')?.value, cookie?.value)
  })

  test('a cookie whose own key is gone is nobody, and the session it names is left alone', async () => {
    await using running = await begin()
    const { world, nodes, newestRef, setOf } = running
    await nodes.run([old])
    const browser = world.browser()
    await browser.login()
    const sealed = await setOf(newestRef())
    await nodes.run([next])
    for (const path of ['/api/x', '/bff/user']) {
      const response = await browser.api(path)
      assert.deepEqual([response.status, (await response.json()).code], [401, 'no_session'], path)
      assert.deepEqual(response.headers.getSetCookie(), [], path)
    }
    assert.equal(nodes.log.filter(({ msg }) => msg === 'session_unreadable').length, 0)
    assert.equal(await setOf(newestRef()), sealed)
    await nodes.run([old])
    await assertSignedIn(browser, 'with its key back')
  })
})
