import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { parseOptions } from '../../src/options.ts'
import type { Browser } from '../support/browser.ts'
import { rawRequest } from '../support/raw-request.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { createDeviations } from './deviations.ts'
import { createKey } from './publishing-issuer.ts'

const usual = await createKey('usual')

const asNavigation = { 'sec-fetch-dest': 'document' }

/** A login with this hint ends at the provider, on a page whose address has the callback in it. */
const stopHint = 'stop-there'

/** A world whose provider says this of itself beside the truth. */
async function begin(metadata: object = {}, options: WorldOptions = {}) {
  const d = createDeviations(usual)
  d.now = { metadata }
  const verifiers: string[] = []
  const stopped = new Set<string>()
  const world = await startWorld({
    https: true,
    store: 'memory',
    ...options,
    provider: {
      intercept(request, response) {
        const setHeader = response.setHeader.bind(response)
        response.setHeader = (name, value) => {
          const isCallback = name.toLowerCase() === 'location' && String(value).includes('/bff/callback')
          const stops = isCallback && stopped.has(new URL(String(value)).searchParams.get('state') ?? '')
          return setHeader(name, stops ? `/stopped?stopped=${encodeURIComponent(String(value))}` : value)
        }
        const { searchParams } = new URL(request.url ?? '/', 'http://provider')
        if (searchParams.get('login_hint') === stopHint) stopped.add(searchParams.get('state') ?? '')
        return d.intercept(request, response)
      },
      onToken: ({ kind, value }) => kind === 'code_verifier' && verifiers.push(value),
    },
  })
  return { world, verifiers, codeGrants: () => d.asked.filter(({ path }) => path === '/token').length }
}

/** The authorization request that a login sends the browser with. */
async function authorizationRequest(browser: Browser, parameters: Record<string, string> = {}): Promise<URL> {
  const from = browser.visits.length
  await browser.startLogin({ parameters })
  return new URL(browser.visits[from]?.headers.get('location') ?? '')
}

/** The callback of a login at the provider, which has not been visited. */
async function callbackOf(world: World, browser: Browser): Promise<URL> {
  const login = await browser.startLogin({ parameters: { prompt: 'login', login_hint: stopHint } })
  const { url } = await browser.finishLogin(login)
  return new URL(new URL(url, world.provider.issuer).searchParams.get('stopped') ?? '')
}

/** Brings a browser to a callback; whether a session came of it, and whether the provider was asked for tokens. */
async function bring({ world, codeGrants }: Awaited<ReturnType<typeof begin>>, browser: Browser, callback: URL) {
  const before = codeGrants()
  await browser.navigate(callback.href, { initiator: world.provider.issuer })
  const { status } = await browser.api('/bff/user')
  return { session: status === 200, asked: codeGrants() - before }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

describe('the authorization request', () => {
  let running: Awaited<ReturnType<typeof begin>>
  before(async () => {
    running = await begin()
  })
  after(() => running.world.close())

  test('R3: asks for a code and nothing else, whatever a page or an operator wishes', async () => {
    const wishes = {
      response_type: 'id_token token',
      response_mode: 'fragment',
      redirect_uri: 'https://evil.example/',
      client_id: 'evil',
      scope: 'admin',
      state: 'known',
      nonce: 'known',
      code_challenge: 'known',
      request: 'a.b.c',
      request_uri: 'https://evil.example/request',
    }
    const { searchParams } = await authorizationRequest(running.world.browser(), wishes)
    assert.deepEqual(searchParams.getAll('response_type'), ['code'])
    assert.deepEqual(searchParams.getAll('client_id'), ['coatcheck-demo'])
    for (const name of ['response_mode', 'request', 'request_uri']) assert.equal(searchParams.has(name), false)
    for (const [name, value] of Object.entries(wishes)) assert.notEqual(searchParams.get(name), value)
    for (const [name, value] of Object.entries({ ...wishes, code_challenge_method: 'plain' })) {
      const options = { ...running.world.options, authorizationParams: { [name]: value } }
      assert.throws(() => parseOptions(options, { production: false }), ConfigurationError)
    }
  })

  test('R3: an answer that brings tokens by way of the browser is no login', async () => {
    const { world } = running
    const browser = world.browser()
    const state = (await authorizationRequest(browser)).searchParams.get('state') ?? ''
    const tokens = { access_token: 'a', id_token: 'a.b.c', token_type: 'Bearer', state, iss: world.provider.issuer }
    const callback = new URL(`${world.origin}/bff/callback?${new URLSearchParams(tokens)}`)
    assert.equal((await bring(running, browser, callback)).session, false)
  })

  test('R5: every login has a state, a nonce and a challenge of its own, and the challenge is of its verifier', async () => {
    const { world, verifiers } = running
    const browser = world.browser()
    const values = new Set<string>()
    for (let i = 0; i < 3; i++) {
      const { searchParams } = await authorizationRequest(browser)
      for (const name of ['state', 'nonce', 'code_challenge']) values.add(searchParams.get(name) ?? '')
    }
    assert.equal(values.size, 9)
    for (const value of values) assert.match(value, /^[\w-]{43}$/)

    const login = await browser.startLogin()
    const request = browser.visits.findLast(({ url }) => new URL(url).searchParams.has('code_challenge'))
    await browser.finishLogin(login)
    assert.equal(new URL(request?.url ?? '').searchParams.get('code_challenge'), sha256(verifiers.at(-1) ?? ''))
  })

  for (const methods of [undefined, [], ['plain']]) {
    test(`R4, R6: the challenge is by S256 where the provider says that it knows ${methods ?? 'nothing'} (A-30)`, async () => {
      const { world } = await begin({ code_challenge_methods_supported: methods })
      await using _ = world
      const browser = world.browser()
      const { searchParams } = await authorizationRequest(browser)
      assert.deepEqual(searchParams.getAll('code_challenge_method'), ['S256'])
      await browser.login()
      assert.equal((await browser.api('/bff/user')).status, 200)
    })
  }

  test('R12: goes where the metadata says', async () => {
    const { world } = await begin({ authorization_endpoint: 'http://127.0.0.1:1/elsewhere?tenant=a' })
    await using _ = world
    const response = await world.browser().request('/bff/login', { headers: asNavigation })
    const { origin, pathname, searchParams } = new URL(response.headers.get('location') ?? '')
    assert.deepEqual([origin, pathname, searchParams.get('tenant')], ['http://127.0.0.1:1', '/elsewhere', 'a'])
  })

  test('R14: comes back to our public address, whatever host a request names; that is https but on loopback', async () => {
    const { world } = running
    const headers = {
      ...asNavigation,
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      forwarded: 'host=evil.example',
    }
    const response = await world.browser().request('/bff/login', { headers })
    const { searchParams } = new URL(response.headers.get('location') ?? '')
    assert.equal(searchParams.get('redirect_uri'), `${world.origin}/bff/callback`)
    const options = { ...world.options, publicUrl: 'http://app.example.com' }
    assert.throws(() => parseOptions(options, { production: false }), /publicUrl: must be https/)
  })
})

describe('the authorization response', () => {
  let running: Awaited<ReturnType<typeof begin>>
  before(async () => {
    running = await begin()
  })
  after(() => running.world.close())

  test('R7: state, nonce and verifier are used once', async () => {
    const browser = running.world.browser()
    const callback = await callbackOf(running.world, browser)
    assert.deepEqual(await bring(running, browser, callback), { session: true, asked: 1 })
    assert.equal((await bring(running, browser, callback)).asked, 0)
    browser.deleteCookie('__Host-bff')
    assert.deepEqual(await bring(running, browser, callback), { session: false, asked: 0 })
  })

  test('R5, R7: a response belongs to the browser that began the login, and that one can still use it', async () => {
    const [victim, attacker] = [running.world.browser(), running.world.browser()]
    const callback = await callbackOf(running.world, attacker)
    await victim.startLogin()
    assert.deepEqual(await bring(running, victim, callback), { session: false, asked: 0 })
    assert.deepEqual(await bring(running, attacker, callback), { session: true, asked: 1 })
  })

  test('R5: a response whose login cookie comes twice finishes nothing: one of the two was planted', async () => {
    const browser = running.world.browser()
    const callback = await callbackOf(running.world, browser)
    const login = [...browser.cookies.values()].find(({ name }) => name.startsWith('__Host-bff-login-'))
    const { pathname, search } = callback
    for (const cookie of [`${login?.name}=${login?.value}; ${login?.name}=x`, `${login?.name}=x`, '']) {
      const answer = await rawRequest(running.world.origin, 'GET', pathname + search, { cookie })
      assert.equal(answer.status, 400)
    }
    assert.deepEqual(await bring(running, browser, callback), { session: true, asked: 1 })
  })

  test('R7: a login that has failed leaves no cookie behind', async () => {
    const browser = running.world.browser()
    const callback = await callbackOf(running.world, browser)
    callback.searchParams.set('iss', 'https://evil.example')
    await bring(running, browser, callback)
    assert.deepEqual(
      [...browser.cookies.keys()].filter((name) => name.startsWith('__Host-bff-login-')),
      [],
    )
  })

  test('R5: a code that was issued for another login of the same browser brings no session', async () => {
    const browser = running.world.browser()
    const first = await callbackOf(running.world, browser)
    const second = await callbackOf(running.world, browser)
    second.searchParams.set('code', first.searchParams.get('code') ?? '')
    assert.deepEqual(await bring(running, browser, second), { session: false, asked: 1 })
  })

  for (const [name, change] of Object.entries<(callback: URL) => void>({
    'without a state': ({ searchParams }) => searchParams.delete('state'),
    'with a state of nobody': ({ searchParams }) => searchParams.set('state', 'x'.repeat(43)),
    'with an empty state': ({ searchParams }) => searchParams.set('state', ''),
  })) {
    test(`R7: a response ${name} is refused before the provider is asked`, async () => {
      const browser = running.world.browser()
      const callback = await callbackOf(running.world, browser)
      change(callback)
      assert.deepEqual(await bring(running, browser, callback), { session: false, asked: 0 })
    })
  }

  for (const [name, change] of Object.entries<(callback: URL, issuer: string) => void>({
    'another issuer (invalid-authorization-response-iss)': ({ searchParams }) =>
      searchParams.set('iss', 'https://evil.example'),
    'no issuer (remove-authorization-response-iss)': ({ searchParams }) => searchParams.delete('iss'),
    'an issuer that differs by a slash': ({ searchParams }, issuer) => searchParams.set('iss', `${issuer}/`),
    'an empty issuer': ({ searchParams }) => searchParams.set('iss', ''),
  })) {
    test(`R9: a response of ${name} is refused before the provider is asked`, async () => {
      const browser = running.world.browser()
      const callback = await callbackOf(running.world, browser)
      change(callback, running.world.provider.issuer)
      assert.deepEqual(await bring(running, browser, callback), { session: false, asked: 0 })
    })
  }

  test('R9: where the provider does not say that it names itself, it need not; another name is refused', async () => {
    const quiet = await begin({ authorization_response_iss_parameter_supported: undefined })
    await using _ = quiet.world
    for (const [iss, session] of [[null, true] as const, ['https://evil.example', false] as const]) {
      const browser = quiet.world.browser()
      const callback = await callbackOf(quiet.world, browser)
      callback.searchParams.delete('iss')
      if (iss !== null) callback.searchParams.set('iss', iss)
      assert.deepEqual(await bring(quiet, browser, callback), { session, asked: session ? 1 : 0 })
    }
  })
})
