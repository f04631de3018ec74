import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { BffOptions } from '../../src/index.ts'
import type { Browser } from '../support/browser.ts'
import { headerValues, parseResponses } from '../support/recorded-responses.ts'
import { recordingDirectory } from '../support/recording-directory.ts'
import { startWorld, type World } from '../support/world.ts'
import { createExactRequest } from './exact-request.ts'
import { formsByFamily } from './payload-forms.ts'
import families from './payloads/cookie.json' with { type: 'json' }
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

interface SetCookie {
  name: string
  value: string
  /** Those that say to whom the cookie belongs, sorted; not those that say how long it lives. */
  attributes: string[]
  lifetime: string
}

/** Every Set-Cookie that this process's browsers have received, from the bytes as they came. */
function everySetCookie(): SetCookie[] {
  const directory = recordingDirectory()
  const own = readdirSync(directory).filter((name) => name.startsWith(`connection-${process.pid}-`))
  return own
    .flatMap((name) => parseResponses(readFileSync(join(directory, name))))
    .flatMap(({ head }) => headerValues(head, 'set-cookie'))
    .map((line) => {
      const [pair = '', ...attributes] = line.split('; ')
      const isLifetime = (one: string) => /^(max-age|expires)=/i.test(one)
      return {
        name: pair.slice(0, pair.indexOf('=')),
        value: pair.slice(pair.indexOf('=') + 1),
        attributes: attributes.filter((one) => !isLifetime(one)).sort(),
        lifetime: attributes.filter(isLifetime).join(),
      }
    })
}

/** Everything that can set or delete a cookie of ours. */
async function goThroughEverything(world: World): Promise<void> {
  const browser = world.browser()
  for (let i = 0; i < 6; i++) await browser.startLogin({ returnUrl: '/secret-place' }) // the sixth drops the first
  await browser.login()
  await browser.login() // replaces a session
  await browser.api('/bff/user')
  await browser.navigate('/bff/login?prompt=none')
  await browser.navigate('/bff/callback?state=unknown&code=x')
  await browser.navigate('/bff/callback/used')
  const begun = await browser.navigate('/bff/login', { redirect: 'manual' })
  const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state')
  await browser.navigate(`/bff/callback?error=access_denied&state=${state}&iss=${world.provider.issuer}`)
  const { logoutUrl } = await (await browser.api('/bff/user')).json()
  await browser.logout(`${logoutUrl}&returnUrl=/secret-place`)
  await byScript(world.browser())
}

async function byScript(browser: Browser): Promise<void> {
  await browser.login('bob')
  const out = await browser.api('/bff/logout?returnUrl=/secret-place', { method: 'POST' })
  const { redirectTo } = await out.json()
  await browser.get(`/bff/logout/callback?state=${new URL(redirectTo).searchParams.get('state')}`)
  await browser.navigate('/bff/logout')
}

const prefixes: [prefix: string, options: Partial<BffOptions>][] = [
  ['__Host-bff', {}],
  ['__Host-Http-bff', { cookiePrefix: '__Host-Http-' }],
  ['__Host-shop', { cookieName: 'shop', remember: true }],
]

describe('every cookie that is set, whatever happens', () => {
  let all: SetCookie[]
  before(async () => {
    for (const [, bff] of prefixes) {
      await using world = await startWorld({ https: true, store: 'memory', bff })
      await goThroughEverything(world)
    }
    all = everySetCookie()
  })

  const every = (holds: (cookie: SetCookie) => boolean) => {
    assert.deepEqual(
      all.filter((cookie) => !holds(cookie)),
      [],
    )
  }
  const isSession = ({ name }: SetCookie) => prefixes.some(([own]) => own === name)

  test('is one of those that were to be seen', () => {
    const kinds = new Set(
      all.map(({ name, value }) => `${name.replace(/-login-.*/, '-login')} ${value === '' ? 'deleted' : 'set'}`),
    )
    for (const [own] of prefixes) {
      for (const kind of ['', '-login', '-logout', '-used', '-finished']) {
        for (const fate of ['set', 'deleted']) assert.ok(kinds.has(`${own}${kind} ${fate}`), `${own}${kind} ${fate}`)
      }
    }
  })

  test('B1: is Secure', () => every(({ attributes }) => attributes.includes('Secure')))
  test('B2: is HttpOnly', () => every(({ attributes }) => attributes.includes('HttpOnly')))
  test('B3: is SameSite=Strict for a session, and Lax where it has to come back from the provider', () =>
    every((cookie) => cookie.attributes.includes(isSession(cookie) ? 'SameSite=Strict' : 'SameSite=Lax')))
  test('B3: lives for ten minutes where it belongs to a login or a logout, for one where it counts logins', () =>
    every((cookie) => {
      const set = cookie.name.endsWith('-finished') ? 'Max-Age=60' : 'Max-Age=600'
      return isSession(cookie) || cookie.lifetime === 'Max-Age=0' || cookie.lifetime === set
    }))
  test('B4: has Path=/', () => every(({ attributes }) => attributes.includes('Path=/')))
  test('B5: has no Domain', () => every(({ attributes }) => !/domain/i.test(attributes.join())))
  test('B6: has the prefix that is configured', () =>
    every(({ name }) =>
      prefixes.some(
        ([own]) =>
          name.startsWith(`${own}-login-`) || ['', '-logout', '-used', '-finished'].some((kind) => name === own + kind),
      ),
    ))
  test('B6: is deleted with the attributes it was set with, by name', () => {
    for (const [name, cookies] of Map.groupBy(all, (cookie) => cookie.name)) {
      const ways = new Set(cookies.map(({ attributes }) => attributes.join('; ')))
      assert.equal(ways.size, 1, `${name}: ${[...ways].join(' / ')}`)
    }
  })
  test('B7: tells nobody what it stands for', () =>
    every(({ value }) =>
      [value, Buffer.from(value, 'base64url').toString('latin1'), decodeURIComponent(value)].every(
        (text) => !/secret-place|alice|bob|user-/.test(text),
      ),
    ))
  test('B8: names its session by 128 bits of chance and more, never the same ones twice', () => {
    const ids = all.flatMap((cookie) =>
      isSession(cookie) && cookie.value !== '' ? [decodeURIComponent(cookie.value).slice(2).split('.')[0] ?? ''] : [],
    )
    for (const id of ids) assert.ok(Buffer.from(id, 'base64url').length >= 16, 'too short')
    const logins = prefixes.length * 3
    assert.ok(new Set(ids).size >= logins, `${new Set(ids).size} of ${logins}`)
    // Bytes of chance are as often one as another: none is the same in all of them.
    const bytes = ids.map((id) => [...Buffer.from(id, 'base64url')])
    for (let at = 0; at < 16; at++) assert.ok(new Set(bytes.map((id) => id[at])).size > 1, `byte ${at}`)
  })
})

describe('a session is named', () => {
  let user: UserOnHttps
  before(async () => {
    user = await startUserOnHttps()
  })
  after(() => user[Symbol.asyncDispose]())

  const status = async (path: string, cookie: string) => {
    const answer = await user.ask('GET', path, { cookie, 'x-csrf': '1' })
    assert.equal(answer.headers['set-cookie'], undefined, cookie)
    return answer.status
  }

  test('B8: by the cookie alone, not by an address or a header', async () => {
    const value = user.cookie.slice(user.cookie.indexOf('=') + 1)
    for (const path of ['/bff/user', '/v1']) {
      for (const query of [`?__Host-bff=${value}`, `?sid=${value}`, `?session=${value}`, `;jsessionid=${value}`]) {
        const answer = await user.ask('GET', `${path === '/v1' ? '/api' : path}${query}`, {
          'x-csrf': '1',
          'x-session': value,
        })
        assert.ok([401, 404].includes(answer.status), `${answer.status} for ${query}`)
      }
    }
  })

  test('B8: by nobody but us, and a login gives another id to a browser that brought one', async () => {
    const planted = `s:${'A'.repeat(32)}.${'B'.repeat(43)}`
    const victim = user.world.browser()
    victim.setCookie('__Host-bff', encodeURIComponent(planted))
    await victim.login()
    assert.notEqual(victim.cookies.get('__Host-bff')?.value, encodeURIComponent(planted))
    assert.equal(await status('/bff/user', `__Host-bff=${encodeURIComponent(planted)}`), 401)
  })

  for (const [family, forms] of formsByFamily(families)) {
    test(`B8: by no cookie like ${family}`, async () => {
      const values = forms.map((one) => Buffer.from(one).toString('latin1'))
      for (const value of values.filter((one) => /^[\t\x20-\x7e\x80-\xff]*$/.test(one))) {
        for (const path of ['/api/x', '/bff/user']) assert.equal(await status(path, `__Host-bff=${value}`), 401, value)
      }
    })
  }

  test('B6: by one cookie of our name, and a second one, wherever it stands, is refused', async () => {
    for (const other of ['__Host-bff=planted', '__Host-bff=', user.cookie]) {
      for (const cookie of [
        `${other}; ${user.cookie}`,
        `${user.cookie}; ${other}`,
        `a=b; ${other}; c=d; ${user.cookie}`,
      ]) {
        for (const path of ['/api/x', '/bff/user', '/bff/login', '/bff/callback', '/bff/logout']) {
          assert.equal(await status(path, cookie), 400, `${path} with ${cookie}`)
        }
      }
    }
  })

  test('B6: by that very name, byte for byte', async () => {
    const value = user.cookie.slice(user.cookie.indexOf('='))
    for (const name of [
      'bff',
      '__host-bff',
      '__HOST-bff',
      '__Host-Http-bff',
      '__Secure-bff',
      ' __Host-bff',
      '__Host-bff ',
      '"__Host-bff"',
    ]) {
      assert.equal(await status('/api/x', `${name}${value}`), name.startsWith(' ') ? 200 : 401, JSON.stringify(name))
    }
  })

  test('B6: by the same cookie for everybody here: one whose name only looks like ours brings nobody else', async () => {
    const other = user.world.browser()
    await other.login('bob')
    const value = other.cookies.get('__Host-bff')?.value
    for (const name of ['__Host-bff ', '__Host-bff\t']) {
      for (const path of ['/bff/user', '/bff/sessions']) {
        assert.equal(await status(path, `${name}=${value}; ${user.cookie}`), 400, path)
      }
    }
  })

  test('B6: on plain http by the bare name, which https does not take', async () => {
    await using world = await startWorld({ store: 'memory' })
    const browser = world.browser()
    await browser.login()
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    assert.equal((await browser.api('/bff/user')).status, 200)
    const answer = await createExactRequest(world.origin)('GET', '/api/x', {
      cookie: `__Host-${cookie}`,
      'x-csrf': '1',
    })
    assert.equal(answer.status, 401)
  })
})
