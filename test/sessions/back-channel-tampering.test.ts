import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { exportSPKI, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { refusedPerMinute } from '../../src/endpoints/backchannel.ts'
import { openLine } from '../proxy/raw-peers.ts'
import { createKey } from '../security/publishing-issuer.ts'
import type { Browser } from '../support/browser.ts'
import { startWorld, type World } from '../support/world.ts'
import { createLogoutIssuer, isSignedIn, type LogoutIssuer, logoutEvent, postLogoutToken } from './logout-issuer.ts'

const seconds = () => Math.floor(Date.now() / 1000)

/** Claims that are wrong; `undefined` takes one away. Functions are asked when the token is made. */
const wrongClaims: Record<string, Record<string, unknown> | (() => Record<string, unknown>)> = {
  'another issuer': { iss: 'https://evil.example' },
  'an issuer with a slash more': () => ({ iss: `${world.provider.issuer}/` }),
  'no issuer': { iss: undefined },
  'another audience': { aud: 'somebody-else' },
  'an empty audience': { aud: '' },
  'audiences without us': { aud: ['one', 'two'] },
  'no audience': { aud: undefined },
  'no iat': { iat: undefined },
  'iat as text': () => ({ iat: String(seconds()) }),
  'iat null': { iat: null },
  'iat ten minutes ago': () => ({ iat: seconds() - 600 }),
  'iat in ten minutes': () => ({ iat: seconds() + 600 }),
  'exp over': () => ({ exp: seconds() - 60 }),
  'exp as text': () => ({ exp: String(seconds() + 60) }),
  'nbf in ten minutes': () => ({ nbf: seconds() + 600 }),
  'no jti': { jti: undefined },
  'an empty jti': { jti: '' },
  'jti as a number': { jti: 7 },
  'no events': { events: undefined },
  'events null': { events: null },
  'events as a list': { events: [logoutEvent] },
  'events as text': { events: logoutEvent },
  'events without any': { events: {} },
  'another event': { events: { 'http://schemas.openid.net/event/other': {} } },
  'the event null': { events: { [logoutEvent]: null } },
  'the event true': { events: { [logoutEvent]: true } },
  'the event as text': { events: { [logoutEvent]: '{}' } },
  'the event as a list': { events: { [logoutEvent]: [] } },
  'a nonce': { nonce: 'n-0S6' },
  'an empty nonce': { nonce: '' },
  'a nonce that is null': { nonce: null },
  'neither sub nor sid': { sub: undefined, sid: undefined },
  'sub as a number': { sub: 7, sid: undefined },
  'sub as a list': { sub: ['user-alice'], sid: undefined },
  'sub null beside a good sid': { sub: null },
  'an empty sub beside a good sid': { sub: '' },
  'an empty sid beside a good sub': { sid: '' },
  'sid null beside a good sub': { sid: null },
  'sid as a list': { sid: ['x'] },
  'the sid of a session of somebody else': { sub: 'user-bob' },
}

/** Tokens that were not made by the provider as logout tokens. */
const wrongTokens: Record<string, () => Promise<string> | string> = {
  'its ID token': () => issuer.idToken,
  'an ID token with the event in it': () => issuer.token({ nonce: 'n', iat: seconds() }, { typ: 'JWT' }),
  'a token of the type of access tokens': () => issuer.token({}, { typ: 'at+jwt' }),
  'a type that is no text': () => issuer.token({}, { typ: 7 }),
  'a type that begins like the right one': () => issuer.token({}, { typ: 'logout+jwt+x' }),
  'no signature (alg none)': () => new UnsecuredJWT(issuer.claims()).encode(),
  'no signature (alg None) under our key': () => unsigned({ alg: 'None', kid: 'logout' }, issuer.claims()),
  'its signature cut off': async () => (await issuer.token()).replace(/[^.]*$/, ''),
  'its signature changed': async () => (await issuer.token()).replace(/.{8}$/, 'AAAAAAAA'),
  'its claims changed': async () => {
    const [header, , signature] = (await issuer.token()).split('.')
    return [header, part({ ...issuer.claims(), sub: 'user-alice', sid: undefined }), signature].join('.')
  },
  'the published key as a secret (HS256)': async () => {
    const key = await importJWK(issuer.key.jwk, 'RS256')
    if (!('type' in key)) throw new Error('the key of an issuer is no secret')
    return signedBySecret(await exportSPKI(key))
  },
  'some secret (HS256)': () => signedBySecret('0123456789abcdef0123456789abcdef'),
  'a stranger’s key under our key’s name': async () => issuer.token({}, {}, await createKey('logout')),
  'a stranger’s key of no name': async () => issuer.token({}, {}, await createKey(undefined)),
  'a key that nobody published': async () => issuer.token({}, {}, await createKey('unknown')),
  'a key that it brings along (jwk)': async () => {
    const key = await createKey('own')
    return issuer.token({}, { jwk: key.jwk }, key)
  },
  'a key that it says where to find (jku)': async () => {
    const key = await createKey('own')
    return issuer.token({}, { jku: 'http://127.0.0.1:9/keys', x5u: 'http://127.0.0.1:9/cert' }, key)
  },
  'a header that has to be understood (crit)': () =>
    unsigned({ alg: 'RS256', kid: 'logout', crit: ['x'], x: 1 }, issuer.claims()),
  'encryption (five parts)': () => 'eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d',
  nothing: () => '',
  'two dots': () => '..',
  'a null byte': () => '\0',
  'ten thousand characters': () => 'x'.repeat(10_000),
  'claims that are a list': () => `${part({ alg: 'RS256' })}.${part([])}.AAAA`,
}

/** Requests that are no form with one logout token, made around a good one. */
const wrongRequests: Record<string, (token: string) => { body?: string | Buffer; type?: string; path?: string }> = {
  'no body': () => ({}),
  'an empty form': () => ({ body: '' }),
  'another field': (token) => ({ body: `token=${token}` }),
  'the token twice': (token) => ({ body: `logout_token=${token}&logout_token=${token}` }),
  'a second token after a bad one': (token) => ({ body: `logout_token=x&logout_token=${token}` }),
  'a list of tokens': (token) => ({ body: `logout_token[]=${token}` }),
  'another field twice': (token) => ({ body: `logout_token=${token}&a=1&a=2` }),
  JSON: (token) => ({ body: JSON.stringify({ logout_token: token }), type: 'application/json' }),
  'a form that says it is text': (token) => ({ body: `logout_token=${token}`, type: 'text/plain' }),
  'a form of no type': (token) => ({ body: `logout_token=${token}`, type: '' }),
  'the token in the query': (token) => ({ body: '', path: `?logout_token=${token}` }),
  'more than there can be': (token) => ({ body: `logout_token=${token}&a=${'x'.repeat(70_000)}` }),
  'a million bytes': (token) => ({ body: `a=${'x'.repeat(1_000_000)}&logout_token=${token}` }),
}

let issuer: LogoutIssuer
let world: World
let alice: Browser

describe('L3: a logout token that is not to be believed ends nothing', () => {
  before(async () => {
    issuer = await createLogoutIssuer()
    world = await startWorld({ ...issuer.world, nodes: 2 })
    await world.browser().login('bob')
    alice = world.browser()
    await alice.login('alice')
  })
  after(() => world.close())

  for (const [name, changes] of Object.entries(wrongClaims)) {
    test(`L3: ${name}`, async () => {
      await refused(
        await postLogoutToken(world, await issuer.token(typeof changes === 'function' ? changes() : changes)),
      )
    })
  }
  for (const [name, make] of Object.entries(wrongTokens)) {
    test(`L3: ${name}`, async () => refused(await postLogoutToken(world, await make())))
  }
  for (const [name, make] of Object.entries(wrongRequests)) {
    test(`L2: ${name}`, async () => {
      const { body, type = 'application/x-www-form-urlencoded', path = '' } = make(await issuer.token())
      const headers: HeadersInit = type === '' ? {} : { 'content-type': type }
      const url = `${world.origin}/bff/backchannel${path}`
      const sent = typeof body === 'string' ? Buffer.from(body) : null // a text would be given a type of its own
      await refused(await fetch(url, { method: 'POST', headers, body: sent }))
    })
  }

  test('L3: names that are long, or of any script, name nobody, and are no error', async () => {
    for (const name of ['x'.repeat(10_000), 'Ålice 🎩', ' ', '{}', '__proto__', '\r\nSet-Cookie: a=b']) {
      for (const changes of [{ sid: name }, { sub: name, sid: undefined }, { sid: name, sub: undefined }]) {
        assert.equal((await postLogoutToken(world, await issuer.token(changes))).status, 200)
      }
    }
    assert.equal(await isSignedIn(world, alice), true)
  })

  test('L3: any other method is refused, and says which one would do', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await fetch(`${world.origin}/bff/backchannel`, { method })
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'])
    }
  })

  test('L3: the same token unchanged ends the session on every node, shown by whomever, and once', async () => {
    assert.equal(await isSignedIn(world, alice), true)
    const token = await issuer.token()
    assert.equal((await postLogoutToken(world, token, 1)).status, 200)
    assert.equal(await isSignedIn(world, alice), false)
    for (const node of [0, 1]) assert.equal((await postLogoutToken(world, token, node)).status, 400)
  })

  test('L3: a token without exp is as good, for as long as it is young', async () => {
    assert.equal((await postLogoutToken(world, await issuer.token({ exp: undefined }))).status, 200)
    const old = { exp: undefined, iat: seconds() - 600 }
    assert.equal((await postLogoutToken(world, await issuer.token(old))).status, 400)
  })

  test('L3: a type that says no more than JWT, none, and the long form of its own are as good', async () => {
    for (const typ of ['JWT', undefined, 'application/logout+jwt', 'LOGOUT+JWT']) {
      assert.equal((await postLogoutToken(world, await issuer.token({}, { typ }))).status, 200)
    }
  })
})

describe('a flood of tokens that are not to be believed', () => {
  test('has the keys fetched once more, and is cut off; what is good is never counted', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await startWorld(issuer.world)
    await world.browser().login()
    for (let sent = 0; sent < 20; sent++) assert.equal((await postLogoutToken(world, await issuer.token())).status, 200)
    const fetchedBefore = issuer.keyFetches
    const key = await createKey('own')
    const statuses = new Map<number, number>()
    const flood = async () => {
      for (let sent = 0; sent < refusedPerMinute / 4 + 10; sent++) {
        const token = await issuer.token({}, { kid: crypto.randomUUID() }, key)
        const { status } = await postLogoutToken(world, token)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }
    await Promise.all([flood(), flood(), flood(), flood()])
    assert.deepEqual([...statuses.keys()].toSorted(), [400, 429])
    assert.ok((statuses.get(429) ?? 0) >= 30, `${statuses.get(429)} were cut off`)
    assert.ok(issuer.keyFetches - fetchedBefore <= 1)
  })
})

test('half a token, whose sender has left, is nothing that broke', async () => {
  const issuer = await createLogoutIssuer()
  await using world = await startWorld({ ...issuer.world, store: 'memory' })
  const { host, port } = new URL(world.origin)
  const line = await openLine(Number(port))
  const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\nExpect: 100-continue'
  line.socket.write(`POST /bff/backchannel HTTP/1.1\r\nHost: ${host}\r\n${form}\r\n\r\nlogout_token=`)
  await line.until('100 Continue')
  line.socket.destroy()
  // Nothing tells that nothing is said; what would be is said within a millisecond or two.
  for (let i = 0; i < 5_000; i++) await turn()
  assert.deepEqual(
    world.log.filter(({ msg }) => msg === 'request_broke' || msg === 'request_failed'),
    [],
  )
})

async function refused(response: Response): Promise<void> {
  assert.equal(response.status, 400)
  const body = (await response.json()) as { error: string; error_description: string }
  assert.deepEqual(Object.keys(body), ['error', 'error_description'])
  assert.equal(body.error, 'invalid_request')
  assert.equal((await alice.api('/bff/user')).status, 200, 'the session lives')
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function unsigned(header: object, claims: JWTPayload): string {
  return `${part(header)}.${part(claims)}.AAAA`
}

function signedBySecret(secret: string): Promise<string> {
  const header = { alg: 'HS256', typ: 'logout+jwt' }
  return new SignJWT(issuer.claims()).setProtectedHeader(header).sign(createSecretKey(Buffer.from(secret)))
}
