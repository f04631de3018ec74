import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { after, before, describe, mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { createDeviations, type Deviation, type Deviations } from './deviations.ts'
import { createKey } from './publishing-issuer.ts'

// Names beginning with oidcc-client-test are those of the OpenID Foundation's conformance modules for relying parties.

const [usual, stranger, elliptic] = [await createKey('usual'), await createKey('usual'), await createKey('ec', 'ES256')]
const now = () => Math.floor(Date.now() / 1000)
const claiming = (claims: JWTPayload): Deviation => ({ claims })
const without = (name: string): Deviation => claiming({ [name]: undefined })

const refused: Record<string, Deviation> = {
  'oidcc-client-test-nonce-invalid': claiming({ nonce: 'of-another-login' }),
  'a missing nonce': without('nonce'),
  'oidcc-client-test-invalid-iss': claiming({ iss: 'https://evil.example' }),
  'an issuer that differs by a slash': { idToken: (claims, sign) => sign({ ...claims, iss: `${claims.iss}/` }) },
  'a missing issuer': without('iss'),
  'oidcc-client-test-invalid-aud': claiming({ aud: 'somebody-else' }),
  'oidcc-client-test-missing-aud': without('aud'),
  'a second audience, and no azp': claiming({ aud: ['coatcheck-demo', 'somebody-else'] }),
  'another authorized party': claiming({ azp: 'somebody-else' }),
  'a second audience that is the authorized party': claiming({ aud: ['coatcheck-demo', 'x'], azp: 'x' }),
  'oidcc-client-test-missing-iat': without('iat'),
  'an iat that is a text': claiming({ iat: 'now' as never }),
  'oidcc-client-test-missing-sub': without('sub'),
  'an empty sub': claiming({ sub: '' }),
  'a sub that is a number': claiming({ sub: 7 as never }),
  'a missing exp': without('exp'),
  'an exp that is past': claiming({ iat: now() - 120, exp: now() - 60 }),
  'oidcc-client-test-invalid-sig-rs256': { key: stranger },
  'oidcc-client-test-invalid-sig-es256': { key: { ...elliptic, kid: 'usual' } },
  'oidcc-client-test-invalid-sig-hs256': {
    idToken: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(createSecretKey(Buffer.alloc(32))),
  },
  'oidcc-client-test-idtoken-sig-none': { idToken: (claims) => new UnsecuredJWT(claims).encode() },
  'a changed payload under a good signature': {
    async idToken(claims, sign) {
      const [header, , signature] = (await sign(claims)).split('.')
      const payload = Buffer.from(JSON.stringify({ ...claims, email: 'admin@example.com' })).toString('base64url')
      return `${header}.${payload}.${signature}`
    },
  },
  'an at_hash of another access token': claiming({ at_hash: 'MTIzNDU2Nzg5MDEyMzQ1Ng' }),
  'an at_hash that is a number': claiming({ at_hash: 7 }),
  'no ID token at all': { idToken: () => undefined },
  'an ID token that is none': { idToken: () => 'no-token-of-any-kind' },
}

async function begin(d: Deviations, options: WorldOptions = {}): Promise<World> {
  // All that the provider says it uses: what is refused is refused by our own list.
  const offered = ['RS256', 'ES256', 'HS256', 'none']
  d.now = { metadata: { id_token_signing_alg_values_supported: offered } }
  const world = await startWorld({
    https: true,
    store: 'memory',
    ...options,
    provider: { intercept: d.intercept, ...options.provider },
  })
  await until(() => world.log.some(({ msg }) => msg === 'discovered'))
  d.now = {}
  return world
}

async function until(holds: () => boolean): Promise<void> {
  const last = performance.now() + 20_000
  while (!holds()) {
    assert.ok(performance.now() < last, 'it never came to that')
    await turn()
  }
}

/**
 * Logs in while the provider deviates; how it ends, and what the provider was asked from the callback on.
 * @param meanwhile what happens while the user is at the provider
 */
async function logIn(world: World, d: Deviations, deviation: Deviation, parameters = {}, meanwhile = () => {}) {
  const browser = world.browser()
  const login = await browser.startLogin({ parameters })
  meanwhile()
  d.now = deviation
  const from = d.asked.length
  const landing = await browser.finishLogin(login)
  const { status } = await browser.api('/bff/user')
  const asked = d.asked.slice(from).map(({ path }) => path)
  const tokens = asked.filter((path) => /^\/(token|me)/.test(path))
  return {
    browser,
    landing,
    body: await landing.text(),
    user: status,
    tokens,
    cookie: browser.cookies.has('__Host-bff'),
  }
}

describe('R16: an ID token at login', () => {
  let world: World
  const d = createDeviations(usual)
  before(async () => {
    world = await begin(d)
  })
  after(() => world.close())

  test('R16: oidcc-client-test, -client-secret-basic, -discovery-openid-config: a valid one makes a session', async () => {
    const { landing, user, tokens } = await logIn(world, d, {})
    assert.deepEqual([landing.url, user, tokens], [`${world.origin}/`, 200, ['/token']])
  })

  for (const [name, deviation] of Object.entries(refused)) {
    test(`R16: ${name}: login_failed, no session, and no token is used`, async () => {
      const { landing, body, user, tokens, cookie } = await logIn(world, d, deviation)
      assert.deepEqual([landing.status, user, cookie, tokens], [400, 401, false, ['/token']])
      assert.match(body, /login_failed/)
    })
  }

  test('R16: what may differ does not matter: audiences with azp, a header type, claims that nobody knows', async () => {
    for (const deviation of [
      claiming({ aud: ['coatcheck-demo', 'x'], azp: 'coatcheck-demo' }),
      claiming({ aud: ['coatcheck-demo'] }),
      claiming({ anything: { nested: [1] } }),
      without('at_hash'),
    ]) {
      assert.equal((await logIn(world, d, deviation)).user, 200)
    }
  })

  test('R16: auth_time must be there and young enough where max_age was asked for', async () => {
    const parameters = { max_age: '60' }
    assert.equal((await logIn(world, d, {}, parameters)).user, 200)
    for (const auth_time of [undefined, now() - 3600, 'now']) {
      const { landing, user } = await logIn(world, d, claiming({ auth_time }), parameters)
      assert.deepEqual([landing.status, user], [400, 401])
    }
  })

  for (const [entered, seconds, status] of [
    ['after it was asked for', 5, 200],
    ['less than a minute before it was asked for', -50, 200],
    ['more than a minute before it was asked for', -150, 401],
  ] as const) {
    test(`R16: with max_age=60, a password entered ${entered}, and then four minutes for a second factor: ${status}`, async () => {
      const deviation = claiming({ auth_time: now() + seconds })
      const secondFactor = () => mock.timers.enable({ apis: ['Date'], now: Date.now() + 240_000 })
      try {
        assert.equal((await logIn(world, d, deviation, { max_age: '60' }, secondFactor)).user, status)
      } finally {
        mock.timers.reset()
      }
    })
  }

  test('R16: names of claims that are special to JavaScript change nothing', async () => {
    const special = JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"toString":"x"}')
    const { browser } = await logIn(world, d, claiming({ ...special, name: 'Alice Special' }))
    const { claims } = await (await browser.api('/bff/user')).json()
    assert.equal(claims.name, 'Alice Special')
    assert.deepEqual(Object.keys(claims).sort(), ['email', 'name', 'picture', 'preferred_username', 'sub'])
    assert.equal(Reflect.get({}, 'admin'), undefined)
  })

  test('R16: such names are handed out where they are configured, as claims like any other', async () => {
    await using own = await begin(d, { bff: { claims: ['sub', 'constructor', 'toString', 'hasOwnProperty'] } })
    const { browser } = await logIn(own, d, claiming({ constructor: 'a' as never, toString: 'b' as never }))
    const { claims } = await (await browser.api('/bff/user')).json()
    assert.deepEqual(claims, { sub: claims.sub, constructor: 'a', toString: 'b' })
  })
})

describe('R16: the keys of an ID token at login', { concurrency: 4 }, () => {
  test('R16: oidcc-client-test-kid-absent-single-jwks: the only key is taken', async () => {
    const d = createDeviations({ ...usual, kid: undefined })
    await using world = await begin(d)
    assert.equal((await logIn(world, d, {})).user, 200)
  })

  test('R16: oidcc-client-test-kid-absent-multiple-jwks: no key is guessed', async () => {
    const d = createDeviations({ ...usual, kid: undefined })
    await using world = await begin(d)
    const { landing, user } = await logIn(world, d, { keySet: [usual.jwk, { ...stranger.jwk, kid: 'other' }] })
    assert.deepEqual([landing.status, user], [400, 401])
  })

  for (const name of ['signing-key-rotation', 'signing-key-rotation-just-before-signing', 'discovery-jwks-uri-keys']) {
    test(`R16: oidcc-client-test-${name}: a key published since is found`, async () => {
      const d = createDeviations(usual)
      await using world = await begin(d)
      assert.equal((await logIn(world, d, {})).user, 200)
      const next = await createKey('next')
      const { user } = await logIn(world, d, { key: next, keySet: [next.jwk] })
      assert.equal(user, 200)
      assert.equal(d.asked.filter(({ path }) => path === '/jwks').length, 2)
    })
  }

  test('R16: keys that cannot be had are an outage, not a failed login', async () => {
    const d = createDeviations(usual)
    await using world = await begin(d)
    const { landing, body, user } = await logIn(world, d, { keySet: null })
    assert.deepEqual([landing.status, user], [503, 401])
    assert.ok(landing.headers.get('retry-after'))
    assert.match(body, /provider_unreachable/)
    const [line] = world.log.filter(({ msg }) => msg === 'keys_failed')
    assert.equal(line?.['problem'], 'its key set (jwks_uri) is not JSON')
  })

  test('R16: the client secret signs where the provider says so', async () => {
    const d = createDeviations(usual)
    await using world = await begin(d)
    const secret = Buffer.from(world.options.clientSecret ?? '')
    const bySecret: Deviation = {
      idToken: ({ at_hash: _atHash, ...claims }) =>
        new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret),
    }
    assert.equal((await logIn(world, d, bySecret)).user, 200)
  })
})

describe('R16: userinfo', () => {
  let world: World
  const d = createDeviations(usual)
  before(async () => {
    world = await begin(d, { provider: { resource: null, claimsInIdToken: false } })
  })
  after(() => world.close())

  test('R16: oidcc-client-test-scope-userinfo-claims, -userinfo-bearer-header: asked once, by header', async () => {
    const from = d.asked.length
    const { browser } = await logIn(world, d, {})
    const { claims } = await (await browser.api('/bff/user')).json()
    assert.equal(claims.email, 'alice@coatcheck.example')
    const asked = d.asked.slice(from).filter(({ path }) => path === '/me')
    assert.match(asked[0]?.authorization ?? '', /^Bearer \S+$/)
    assert.equal(asked.length, 1)
  })

  test('R16: oidcc-client-test-userinfo-invalid-sub: login_failed, and the session that had begun is over', async () => {
    const { landing, body, user, cookie } = await logIn(world, d, { userinfo: { sub: 'mallory', name: 'Mallory' } })
    assert.deepEqual([landing.status, user, cookie], [400, 401, false])
    assert.match(body, /login_failed/)
    const [ended] = world.log.filter(({ msg }) => msg === 'session_ended')
    assert.equal(ended?.['reason'], 'subject_changed')
  })

  test('R16: userinfo without a sub costs its claims, and nothing else', async () => {
    const { browser, user } = await logIn(world, d, { userinfo: { sub: undefined, name: 'Mallory' } })
    assert.equal(user, 200)
    assert.equal((await (await browser.api('/bff/user')).json()).claims.name, undefined)
  })
})
