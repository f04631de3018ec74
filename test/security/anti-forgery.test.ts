import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { paths } from '../../src/wire.ts'
import type { ExactAnswer } from './exact-request.ts'
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

/** What a request says of itself; `undefined` for what it does not say. */
interface Claimed {
  method: string
  origin: string | undefined
  site: string | undefined
  proof: string | undefined
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const contentTypes = [
  undefined,
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
]
const sites = [undefined, 'same-origin', 'same-site', 'cross-site', 'none', 'same-origin, same-origin']
const proofs = [undefined, '1', '0', '', '1, 1']

describe('forged requests', () => {
  let user: UserOnHttps
  let own: string
  let origins: readonly (string | undefined)[]
  before(async () => {
    user = await startUserOnHttps()
    own = user.world.origin
    origins = originsAround(own)
  })
  after(() => user[Symbol.asyncDispose]())

  /** Everything that can be said, each with another content type than the one before it. */
  function* claims(ofMethods: readonly string[], ofProofs: readonly (string | undefined)[]) {
    let count = 0
    for (const method of ofMethods) {
      for (const origin of origins) {
        for (const site of sites) {
          for (const proof of ofProofs) {
            const contentType = contentTypes[count++ % contentTypes.length]
            yield { method, origin, site, proof, contentType }
          }
        }
      }
    }
  }

  const isOurs = ({ origin, site }: Claimed) =>
    (origin === undefined || origin === own) && (site === undefined || site === 'same-origin')

  /** Sends it with the user's cookie, and checks that it passes, or that it does not and reaches nobody. */
  async function check(
    path: string,
    claimed: Claimed & { contentType?: string | undefined },
    passes: boolean,
    more = {},
  ) {
    const { requests } = user.upstream
    const { method, origin, site, proof, contentType } = claimed
    const said = { origin, 'sec-fetch-site': site, 'x-csrf': proof, 'content-type': contentType, ...more }
    const answer = await user.ask(method, path, { cookie: user.cookie, ...present(said) })
    const what = `${path} ${JSON.stringify(claimed)}`
    assert.equal(answer.status, passes ? 200 : 403, what)
    assert.equal(user.upstream.requests, passes ? requests + 1 : requests, what)
    assertNoGrant(answer, what)
    if (!passes && method !== 'HEAD') assert.equal(JSON.parse(answer.body).code, 'anti_forgery', what)
    return passes
  }

  test('C1, C2 and C3: on a route every request needs the header, and where the browser says it, our own origin', async () => {
    let passed = 0
    for (const claimed of claims(methods, proofs)) {
      if (await check('/api/x', claimed, claimed.proof === '1' && isOurs(claimed))) passed += 1
    }
    // No origin or ours, no site or ours, for every method.
    assert.equal(passed, methods.length * 4)
  })

  test('C1: a route that needs no session is no exception', async () => {
    for (const claimed of claims(['GET', 'POST'], [undefined, '1'])) {
      await check('/open/x', claimed, claimed.proof === '1' && isOurs(claimed))
    }
  })

  test('C1: where fetch metadata may take the place of the header, it must be there', async () => {
    for (const claimed of claims(['GET', 'POST', 'OPTIONS'], [undefined, '1', '0'])) {
      await check('/form/x', claimed, (claimed.proof === '1' || claimed.site === 'same-origin') && isOurs(claimed))
    }
  })

  test('C5: an EventSource needs Sec-Fetch-Site: same-origin, and nothing but a GET is one', async () => {
    for (const claimed of claims(['GET', 'POST'], [undefined])) {
      const passes = claimed.method === 'GET' && claimed.site === 'same-origin' && isOurs(claimed)
      await check('/api/events', claimed, passes, { accept: 'text/event-stream' })
    }
  })

  test('C5: what takes an event stream among others is no EventSource', async () => {
    for (const accept of ['text/event-stream, */*', 'text/html, text/event-stream', 'text/event-stream;q=1']) {
      const claimed = { method: 'GET', origin: undefined, site: 'same-origin', proof: undefined }
      await check('/api/events', claimed, false, { accept })
    }
  })

  test('C5: a WebSocket needs our own Origin, and reaches nobody with another one', async () => {
    const handshake = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    for (const claimed of claims(['GET'], [undefined, '1'])) {
      // The upstream echoes as if nobody had asked for a WebSocket, and its answer is passed on.
      const passes = isOurs(claimed) && (claimed.origin === own || claimed.proof === '1')
      await check('/ws/x', claimed, passes, handshake)
    }
  })

  test('C4: a preflight is granted nothing, from anywhere, for anything', async () => {
    const { requests } = user.upstream
    const targets = [
      '/',
      '/api/x',
      '/form/x',
      '/open/x',
      '/ws/x',
      '/nothing',
      ...Object.values(paths).map((path) => `/bff${path}`),
    ]
    for (const path of targets) {
      for (const origin of origins) {
        for (const site of ['cross-site', 'same-origin']) {
          const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-csrf' }
          const claimed = present({ origin, 'sec-fetch-site': site, 'sec-fetch-mode': 'cors' })
          const answer = await user.ask('OPTIONS', path, { ...asked, ...claimed })
          const what = `${path} from ${origin} (${site})`
          assertNoGrant(answer, what)
          // A route of `fetch-metadata` takes it for our own page's, which no browser asks a preflight of: no session.
          assert.ok([401, 403, 404, 405].includes(answer.status), `${answer.status} for ${what}`)
        }
      }
    }
    assert.equal(user.upstream.requests, requests)
  })

  const guarded: readonly [method: string, name: keyof typeof paths][] = [
    ['GET', 'user'],
    ['GET', 'events'],
    ['GET', 'sessions'],
    ['DELETE', 'sessions'],
    ['DELETE', 'session'],
    ['POST', 'logout'],
  ]
  /** Endpoints that need no header, and why; whoever adds one says so here. */
  const exempt: Partial<Record<keyof typeof paths, string>> = {
    login: 'it changes nothing',
    callback: 'cookie of the login',
    usedCallback: 'it changes nothing but its own cookie',
    logout: 'by navigation: its sid',
    logoutCallback: 'it changes nothing but its own cookie',
    backchannel: 'logout token of the provider',
    frontchannel: 'iss and sid of the provider',
    jwks: 'public',
  }

  test('C1: every endpoint of ours needs the header, or is exempt for a reason of its own', () => {
    const known = [...guarded.map(([, name]) => name), ...Object.keys(exempt)]
    assert.deepEqual([...new Set(known)].sort(), Object.keys(paths).sort())
  })

  for (const [method, name] of guarded) {
    test(`C1: ${method} ${paths[name]} needs the header, and without it nothing happens`, async () => {
      for (const claimed of claims([method], [undefined, '1'])) {
        const { origin, site, proof, contentType } = claimed
        if (proof === '1' && isOurs(claimed)) continue
        const said = present({ origin, 'sec-fetch-site': site, 'x-csrf': proof, 'content-type': contentType })
        const answer = await user.ask(method, `/bff${paths[name]}`, { cookie: user.cookie, ...said })
        assert.equal(answer.status, 403, JSON.stringify(claimed))
        assert.equal(answer.headers['set-cookie'], undefined)
      }
      assert.equal((await user.browser.api('/bff/user')).status, 200)
    })
  }

  test('C6: GET /bff/logout needs the sid of the very session, whoever asks', async () => {
    const other = user.world.browser()
    await other.login('bob')
    const { logoutUrl } = await (await other.api('/bff/user')).json()
    for (const path of ['/bff/logout', '/bff/logout?sid=', '/bff/logout?sid=x', logoutUrl]) {
      for (const site of sites) {
        const answer = await user.ask('GET', path, { cookie: user.cookie, ...present({ 'sec-fetch-site': site }) })
        assert.equal(answer.status, 403, path)
        assert.equal(answer.headers['set-cookie'], undefined)
      }
    }
    assert.equal((await user.browser.api('/bff/user')).status, 200)
  })

  test('C6: a callback without the cookie of its login makes no session', async () => {
    const attacker = user.world.browser()
    const login = await attacker.startLogin()
    const state = attacker.visits.map(({ url }) => new URL(url).searchParams.get('state')).find((one) => one !== null)
    const asked = `/bff/callback?code=x&state=${state}&iss=${encodeURIComponent(user.world.provider.issuer)}`
    for (const cookie of ['', user.cookie, '__Host-bff-login-x=y']) {
      const answer = await user.ask('GET', asked, { cookie, accept: 'text/html', 'sec-fetch-site': 'cross-site' })
      assert.equal(answer.status, 400)
      assert.equal(answer.headers['set-cookie']?.some((line) => line.startsWith('__Host-bff=')) ?? false, false)
    }
    // And the login of whoever began it is none the worse.
    assert.equal((await attacker.finishLogin(login)).url, `${own}/`)
  })
})

function assertNoGrant({ headers }: ExactAnswer, what: string): void {
  const granted = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
  assert.deepEqual(granted, [], what)
}

/** Without what is not said. */
function present(said: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(said).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** What a browser, or somebody who pretends to be one, may say of where a request comes from. */
function originsAround(own: string): (string | undefined)[] {
  const { host, hostname, port } = new URL(own)
  return [
    undefined,
    own,
    'null',
    '',
    `http://${host}`,
    `https://${hostname}`,
    `https://${hostname}:${Number(port) + 1}`,
    `https://sibling.${host}`,
    `${own}.evil.example`,
    `https://${hostname}.evil.example`,
    `${own}/`,
    own.toUpperCase(),
    `${own}, ${own}`,
    'https://evil.example',
  ]
}
