import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import type { ClientAuthMethod, ClientMetadata, Configuration } from 'oidc-provider'
import { type BffOptions, createBff } from '../../src/index.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startWorld, type World } from '../support/world.ts'

/** With everything that is read differently by those who forget one of the two encodings of RFC 6749, section 2.3.1. */
const awkwardSecret = `:%+ /?&=%41~-_.${'x'.repeat(32)}`

describe('the client proves who it is', { concurrency: 4 }, () => {
  for (const method of ['client_secret_basic', 'client_secret_post', 'client_secret_jwt'] as const) {
    test(`R1: by ${method}, whatever characters its secret has: log in, refresh, log out`, async () => {
      await using world = await bySecret(method, { clientAuth: method })
      await walk(world)
    })

    test(`by ${method} where the provider offers that alone`, async () => {
      await using world = await bySecret(method, {}, [method, 'none'])
      await walk(world)
    })
  }

  test('by client_secret_basic where everything is offered', async () => {
    await using world = await bySecret('client_secret_basic', {})
    await walk(world)
  })

  for (const [type, key] of Object.entries({
    RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
    EC: newKey(),
  })) {
    test(`R2: by private_key_jwt with an ${type} key, without any secret`, async () => {
      await using world = await byKey(pem(key))
      await walk(world)
    })
  }

  test('an assertion is for the issuer alone, signed by the first key, and never used twice', async () => {
    const seen: { kid: unknown; alg: unknown; aud: unknown; jti: unknown }[] = []
    const assertJwtClientAuthClaimsAndHeader: Configuration['assertJwtClientAuthClaimsAndHeader'] = async (
      _ctx,
      { aud, jti },
      { kid, alg },
    ) => void seen.push({ kid, alg, aud, jti })
    await using world = await byKey(pem(newKey()) + pem(newKey()), (usual) => ({
      ...usual,
      assertJwtClientAuthClaimsAndHeader,
    }))
    const [first] = await shownKeys(world)
    await walk(world)
    const one = { kid: first?.['kid'], alg: 'ES256', aud: world.provider.issuer }
    assert.deepEqual(
      seen.map(({ jti: _, ...rest }) => rest),
      [one, one, one],
      'code, refresh and revocation',
    )
    assert.equal(new Set(seen.map(({ jti }) => jti)).size, 3)
  })

  for (const method of ['private_key_jwt', 'client_secret_jwt'] as const) {
    test(`R2: an assertion (${method}) is for the very endpoint that is asked, where the provider wants that`, async () => {
      const seen: unknown[] = []
      const configure = (usual: Configuration): Configuration => ({
        ...usual,
        features: { ...usual.features, pushedAuthorizationRequests: { enabled: true } },
        assertJwtClientAuthClaimsAndHeader: async (_ctx, { aud }) => void seen.push(aud),
      })
      const bff = { clientAssertionAudience: 'endpoint' } as const
      await using world =
        method === 'private_key_jwt'
          ? await byKey(pem(newKey()), configure, bff)
          : await bySecret(method, { clientAuth: method, ...bff }, undefined, configure)
      await walk(world)
      const at = (path: string) => world.provider.issuer + path
      assert.deepEqual(seen, [at('/request'), at('/token'), at('/token'), at('/token/revocation')])
    })
  }

  test('R2: an assertion names the certificate of its key, where the key does', async () => {
    const seen: unknown[] = []
    const jwk = { ...newKey().export({ format: 'jwk' }), 'x5t#S256': 'A'.repeat(43) }
    await using world = await byKey(JSON.stringify(jwk), (usual) => ({
      ...usual,
      assertJwtClientAuthClaimsAndHeader: async (_ctx, _claims, header) => void seen.push(header['x5t#S256']),
    }))
    await world.browser().login()
    assert.deepEqual(seen, ['A'.repeat(43)])
  })

  test('while the key is replaced in three steps, a session goes on and the provider follows by itself', async () => {
    const [old, fresh] = [pem(newKey()), pem(newKey())]
    await using world = await byKey(old + fresh)
    await using nodes = new AsyncDisposableStack()
    for (const clientKeys of [fresh + old, fresh]) {
      const browser = world.browser()
      browser.always.set('connection', 'close') // what is kept open leads to the node before
      await browser.login()
      const next = createBff({ ...world.options, clientKeys }, { log: createRecordedLog().log })
      nodes.defer(() => next.close())
      await next.ready()
      const address = (await next.listen()).address()
      assert.ok(address !== null && typeof address === 'object')
      world.relay.forwardTo({ host: '127.0.0.1', port: address.port })
      const before = world.provider.counts.refresh
      await callWithRefusedToken(world, () => browser.api('/api/x'))
      assert.equal(world.provider.counts.refresh, before + 1)
    }
  })

  test('its JWK Set shows the public half of every key', async () => {
    await using world = await byKey(pem(newKey()) + pem(newKey()))
    const members = (await shownKeys(world)).map((key) => Object.keys(key).toSorted().join())
    assert.deepEqual(members, ['alg,crv,kid,kty,use,x,y', 'alg,crv,kid,kty,use,x,y'])
  })

  test('its JWK Set is empty where it has a secret', async () => {
    await using world = await startWorld({ store: 'memory' })
    assert.deepEqual(await shownKeys(world), [])
  })

  test('the two halves of client_secret_basic are form-encoded, each by itself, before they are put together', async () => {
    const clientSecret = `é ${awkwardSecret}`
    const presented = Promise.withResolvers<string>()
    await using world = await startWorld({
      store: 'memory',
      bff: { clientSecret, clientAuth: 'client_secret_basic' },
      provider: {
        intercept: ({ url, headers }) => {
          if (url === '/token') presented.resolve(headers.authorization ?? '')
          return false
        },
      },
    })
    await world.browser().login()
    const [id, secret, ...more] = Buffer.from((await presented.promise).slice('Basic '.length), 'base64')
      .toString('latin1')
      .split(':')
    const formDecoded = (text = '') => new URLSearchParams(`_=${text}`).get('_')
    assert.deepEqual([formDecoded(id), formDecoded(secret), more], ['coatcheck-demo', clientSecret, []])
  })

  test('by client_secret_basic a provider that decodes nothing, such as Google, knows an id and a secret of -._~ too', async () => {
    const clientId = '1234-abc_d~e.apps.example'
    const clientSecret = `GOCSPX-a_b.c~${'x'.repeat(32)}`
    await using world = await startWorld({
      store: 'memory',
      bff: { clientId, clientSecret, clientAuth: 'client_secret_basic' },
      provider: { intercept: takeUndecoded },
      registration: (usual) => ({ ...usual, client_id: clientId, client_secret: clientSecret }),
    })
    await walk(world)
  })

  test('a wrong secret is a login that failed, and no session', async () => {
    await using world = await startWorld({ store: 'memory', bff: { clientSecret: `${awkwardSecret}, and wrong` } })
    const browser = world.browser()
    assert.equal((await browser.login()).status, 400)
    assert.match(JSON.stringify(world.log.find(({ msg }) => msg === 'request_failed')), /"invalid_client"/)
    assert.equal((await browser.api('/bff/user')).status, 401)
    assert.equal(world.provider.counts.code_grant, 0)
  })
})

/** Has the provider read the two halves of client_secret_basic as they stand there: encoded once more, they are decoded to that. */
function takeUndecoded({ headers }: IncomingMessage): false {
  const [scheme, credentials = ''] = headers.authorization?.split(' ') ?? []
  if (scheme !== 'Basic') return false
  const halves = Buffer.from(credentials, 'base64').toString().split(':').map(encodeURIComponent)
  headers.authorization = `Basic ${Buffer.from(halves.join(':')).toString('base64')}`
  return false
}

/** A world in which the client is registered for one method, with the awkward secret. */
function bySecret(
  method: ClientAuthMethod,
  bff: Partial<BffOptions>,
  offered?: ClientAuthMethod[],
  configure = (usual: Configuration): Configuration => usual,
): Promise<World> {
  return startWorld({
    store: 'memory',
    bff: { clientSecret: awkwardSecret, ...bff },
    provider: {
      configure: (usual) => configure(offered === undefined ? usual : { ...usual, clientAuthMethods: offered }),
    },
    registration: (usual) => ({ ...usual, client_secret: awkwardSecret, token_endpoint_auth_method: method }),
  })
}

/** A world in which the provider reads the client's keys where it shows them. */
function byKey(
  clientKeys: string,
  configure = (usual: Configuration): Configuration => usual,
  bff: Partial<BffOptions> = {},
): Promise<World> {
  return startWorld({
    bff: { clientSecret: undefined, clientKeys, ...bff },
    provider: { configure },
    registration: ({ client_secret: _, ...usual }): ClientMetadata => ({
      ...usual,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: new URL('/bff/jwks.json', usual.redirect_uris?.[0]).href,
    }),
  })
}

/** Log in, call, refresh, log out. */
async function walk(world: World): Promise<void> {
  const browser = world.browser()
  await browser.login()
  await callWithRefusedToken(world, () => browser.api('/api/x'))
  const { logoutUrl } = await (await browser.api('/bff/user')).json()
  await browser.logout(logoutUrl)
  await world.nodes[0]?.bff.close() // waits for the revocation
  const { code_grant, refresh, token_revoked, code_refused, refresh_refused } = world.provider.counts
  assert.deepEqual([code_grant, refresh, token_revoked, code_refused, refresh_refused], [1, 1, 1, 0, 0])
}

/** A call that the API refuses at first, which makes a refresh due at once. */
async function callWithRefusedToken({ upstream }: World, call: () => Promise<Response>): Promise<void> {
  let refused = false
  upstream.onRequest((_request, response) => {
    if (refused) return false
    refused = true
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    return true
  })
  assert.equal((await call()).status, 200)
}

async function shownKeys({ origin }: World): Promise<Record<string, string>[]> {
  const response = await fetch(`${origin}/bff/jwks.json`)
  return (await response.json()).keys
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function pem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}
