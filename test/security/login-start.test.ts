import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'redis'
import { loginId } from '../../src/session/reference.ts'
import { createKeys } from '../../src/storage/keys.ts'
import { startWorld, type World } from '../support/world.ts'

const sites = ['same-origin', 'none', 'same-site', 'cross-site'] as const

describe('who may start a login', () => {
  let world: World
  before(async () => {
    world = await startWorld({ https: true, store: 'memory' })
  })
  after(() => world.close())

  for (const destination of ['empty', 'iframe', 'frame', 'embed', 'object', 'image', 'script', 'document, document']) {
    test(`not what asks for a resource of the kind ${destination}`, async () => {
      const response = await start(world, { 'sec-fetch-dest': destination, 'sec-fetch-site': 'same-origin' })
      assert.equal(response.status, 403)
      assert.equal((await response.json()).code, 'anti_forgery')
      assert.deepEqual(response.headers.getSetCookie(), [])
    })
  }

  for (const site of sites) {
    test(`a window that comes from: ${site}`, async () => {
      const response = await start(world, { 'sec-fetch-dest': 'document', 'sec-fetch-site': site })
      assert.equal(response.status, 302)
    })
  }

  for (const query of ['max_age=-1', 'max_age=1e3', 'max_age=x', 'max_age=1&max_age=1', 'returnUrl=/a&returnUrl=/b']) {
    test(`not with ${query}, which can be read in two ways`, async () => {
      const response = await start(world, { 'sec-fetch-dest': 'document' }, `?${query}`)
      assert.equal(response.status, 400)
      assert.equal((await response.json()).code, 'bad_request')
    })
  }

  for (const purpose of ['prefetch', 'prefetch;prerender', 'prefetch;anonymous-client-ip']) {
    test(`not ahead of its user: ${purpose}`, async () => {
      const said = { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin', 'sec-purpose': purpose }
      const response = await start(world, said)
      assert.equal(response.status, 403)
      assert.deepEqual(response.headers.getSetCookie(), [])
    })
  }

  test('a browser that says nothing of it', async () => assert.equal((await start(world, {})).status, 302))
})

describe('a login that has begun', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(() => world.close())

  /** What is kept in Redis of a login that begins. */
  async function bytesKept(query: Record<string, string>, headers: Record<string, string> = {}): Promise<number> {
    const { redisUrl = '', redisPrefix = '' } = world.options
    const begun = await start(world, headers, `?${new URLSearchParams(query)}`)
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state') ?? ''
    const redis = await createClient({ url: redisUrl }).connect()
    const bytes = await redis.memoryUsage(createKeys(redisPrefix).login(loginId(state)))
    redis.destroy()
    return bytes ?? assert.fail('it is not there')
  }

  // Of another allocator than Redis' own they are some more. 15,000 characters that were kept would take up 20 kB.
  for (const [length, kilobytes] of [
    [1_500, 4],
    [1_501, 2],
    [15_000, 2],
  ] as const) {
    test(`with an address to return to of ${length} characters takes up less than ${kilobytes} kB`, async () => {
      const bytes = await bytesKept({ returnUrl: `/${'a'.repeat(length - 1)}` })
      assert.ok(bytes < kilobytes * 1_000, `${bytes} bytes`)
    })
  }

  test('where somebody is logged in takes up less than 8 kB with the longest demands, and takes no longer ones', async () => {
    const browser = world.browser()
    await browser.login()
    const cookie = { cookie: `bff=${browser.cookies.get('bff')?.value}` }
    const longest = { returnUrl: `/${'a'.repeat(1_499)}`, max_age: '999999999', acr_values: `${'" '.repeat(249)}""` }
    const bytes = await bytesKept(longest, cookie)
    assert.ok(bytes > 4_000 && bytes < 8_000, `${bytes} bytes`)
    const longer = new URLSearchParams({ ...longest, acr_values: `${longest.acr_values}"` })
    assert.equal((await start(world, cookie, `?${longer}`)).status, 400)
  })
})

test('crossSiteLogin: false leaves the application itself and the address bar', async () => {
  await using world = await startWorld({ https: true, store: 'memory', bff: { crossSiteLogin: false } })
  const statuses = async (destination: string) => {
    const asked = sites.map((site) => start(world, { 'sec-fetch-dest': destination, 'sec-fetch-site': site }))
    return (await Promise.all(asked)).map(({ status }) => status)
  }
  assert.deepEqual(await statuses('document'), [302, 302, 403, 403])
  assert.deepEqual(await statuses('iframe'), [403, 403, 403, 403])
  assert.equal((await start(world, { 'sec-fetch-dest': 'document' })).status, 403)

  // The page that a person gets is of our own origin, so that its link is allowed.
  const browser = world.browser()
  const page = await browser.navigate('/bff/login', { initiator: 'http://another.example' })
  assert.equal(page.status, 403)
  const [, link = ''] = /<a href="([^"]+)">Try again/.exec(await page.text()) ?? []
  assert.equal((await browser.navigate(link, { redirect: 'manual' })).status, 302)
})

function start(world: World, headers: Record<string, string>, query = ''): Promise<Response> {
  return fetch(`${world.origin}/bff/login${query}`, { headers, redirect: 'manual' })
}
