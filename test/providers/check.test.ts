import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { startProvider } from '../../demo/provider.ts'
import { type BffOptions, parseOptions } from '../../src/options.ts'
import { checkProvider } from '../../src/relying-party/provider-check.ts'
import { startChild } from '../support/child-process.ts'

const discoveryPath = '/.well-known/openid-configuration'

/** The provider's, in place of its own. */
type Answer = (response: ServerResponse) => void

const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString()

let answers: Record<string, Answer> = {}
const provider = await startProvider({
  clients: [],
  intercept({ url = '' }, response) {
    const answer = answers[url]
    answer?.(response)
    return answer !== undefined
  },
})
const { issuer } = provider
after(() => provider.close())
beforeEach(() => {
  answers = {}
})

const configured = (changes: Partial<BffOptions>): BffOptions => ({
  publicUrl: 'https://app.example',
  issuer,
  clientId: 'app',
  clientSecret: 'not-a-secret',
  sessionSecret: 'x'.repeat(32),
  store: 'memory',
  routes: [route({})],
  ...changes,
})

const route = (changes: Partial<BffOptions['routes'][number]>) => ({
  path: '/api',
  upstream: 'http://127.0.0.1:9',
  ...changes,
})

/** What is found, as `is subject: rest`. */
async function findings(changes: Partial<BffOptions> = {}): Promise<string[]> {
  const found = await checkProvider(parseOptions(configured(changes), { production: false }))
  return found.map(({ is, says }) => `${is} ${says}`)
}

const json =
  (body: unknown, secondsAhead = 0): Answer =>
  (response) => {
    const date = new Date(Date.now() + secondsAhead * 1000).toUTCString()
    response.writeHead(200, { 'content-type': 'application/json', date }).end(JSON.stringify(body))
  }

/** Metadata that leaves nothing to wish, but for these members; `undefined` leaves one out. */
const metadata = (changes: object = {}, secondsAhead = 0): Answer =>
  json(
    {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      end_session_endpoint: `${issuer}/logout`,
      scopes_supported: ['openid', 'offline_access'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'],
      backchannel_logout_supported: true,
      ...changes,
    },
    secondsAhead,
  )

describe('coatcheck check', () => {
  test('finds nothing but good of a provider that has everything, and says what to register', async () => {
    answers = { [discoveryPath]: metadata() }
    const found = await findings()
    assert.deepEqual(
      found.filter((line) => !line.startsWith('ok ')),
      [],
    )
    for (const address of ['https://app.example/bff/callback', 'https://app.example/bff/logout/callback'])
      assert.ok(
        found.some((line) => line.endsWith(address)),
        address,
      )
  })

  test('tells the JWK Set to register where there are keys', async () => {
    const found = await findings({ clientSecret: undefined, clientKeys: await newKey() })
    assert.ok(found.includes('ok client authentication: private_key_jwt, ES256'))
    assert.ok(found.some((line) => line.endsWith('https://app.example/bff/jwks.json')))
  })

  test('tells by what ID tokens will be encrypted, and the JWK Set to register for that', async () => {
    answers = { [discoveryPath]: metadata({ id_token_encryption_alg_values_supported: ['dir', 'RSA-OAEP'] }) }
    const found = await findings({ decryptionKeys: rsaKey })
    assert.ok(found.includes('ok encryption: ID tokens, by RSA-OAEP'))
    assert.ok(found.some((line) => line.endsWith('https://app.example/bff/jwks.json')))
  })

  test('a key whose signatures the provider does not take is a problem', async () => {
    const said = {
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['PS256'],
    }
    answers = { [discoveryPath]: metadata(said) }
    const found = await findings({ clientSecret: undefined, clientKeys: await newKey() })
    assert.ok(found.some((line) => /^problem client authentication: .*ES256.*PS256/.test(line)))
  })

  const table: Record<string, [object, Partial<BffOptions>, RegExp]> = {
    'another issuer': [{ issuer: 'https://other.example' }, {}, /^problem issuer: .*https:\/\/other\.example/],
    'no issuer': [{ issuer: undefined }, {}, /^problem issuer/],
    'no token endpoint': [{ token_endpoint: undefined }, {}, /^problem discovery: .*token_endpoint/],
    'an endpoint without TLS': [
      { token_endpoint: 'http://login.example/token' },
      {},
      /^problem discovery: .*token_endpoint/,
    ],
    'signatures by secret alone': [{ id_token_signing_alg_values_supported: ['HS256', 'none'] }, {}, /^warning keys/],
    'no signatures': [{ id_token_signing_alg_values_supported: ['none'] }, {}, /^problem keys/],
    'no PKCE': [{ code_challenge_methods_supported: ['plain'] }, {}, /^warning PKCE/],
    'no offline_access': [{ scopes_supported: ['openid'] }, {}, /^warning scope.*refresh_token/],
    'no refresh tokens': [{ grant_types_supported: undefined }, {}, /^warning refresh tokens/],
    'no refresh tokens at Auth0': [
      { grant_types_supported: [] },
      { provider: 'auth0', authorizationParams: { audience: 'https://api.example' } },
      /^warning refresh tokens: .*Allow Offline Access/,
    ],
    'a scope without offline_access': [{}, { scope: 'openid' }, /^warning scope.*BFF_SCOPE/],
    'another client authentication': [
      { token_endpoint_auth_methods_supported: ['tls_client_auth'] },
      {},
      /^problem client authentication: client_secret_basic is not among tls_client_auth/,
    ],
    'no encryption that is said, where ID tokens must be encrypted': [
      {},
      { decryptionKeys: rsaKey },
      /^warning encryption: /,
    ],
    'no encryption for the keys that are there': [
      { id_token_encryption_alg_values_supported: ['ECDH-ES'] },
      { decryptionKeys: rsaKey },
      /^problem encryption: .*BFF_DECRYPTION_KEYS.*ECDH-ES/,
    ],
    'no end_session_endpoint': [{ end_session_endpoint: undefined }, {}, /^warning logout/],
    'no back-channel logout': [{ backchannel_logout_supported: false }, {}, /^warning back-channel/],
    'no pushed requests, which are required': [{}, { pushedAuthorization: 'required' }, /^problem pushed/],
    'no token exchange for a route that needs it': [
      {},
      { routes: [route({ exchange: { audience: 'billing' } })] },
      /^problem tokens of \/api: by urn:ietf:params:oauth:grant-type:token-exchange, .* among authorization_code, /,
    ],
    'no client credentials for the routes that need them': [
      {},
      { routes: [route({ token: 'client' }), route({ path: '/prices', token: 'client' })] },
      /^problem tokens of \/api, \/prices: by client_credentials, /,
    ],
    'no audience where one is needed': [{}, { provider: 'auth0' }, /^warning audience/],
  }
  for (const [what, [said, changes, expected]] of Object.entries(table)) {
    test(`${what}: one line that says what to do`, async () => {
      answers = { [discoveryPath]: metadata(said) }
      const found = (await findings(changes)).filter((line) => !line.startsWith('ok '))
      assert.equal(found.length, 1, found.join('\n'))
      assert.match(found[0] ?? '', expected)
    })
  }

  test("no refresh tokens, by which a route's own are asked for, are a problem and not just a warning", async () => {
    answers = { [discoveryPath]: metadata({ grant_types_supported: ['authorization_code'] }) }
    const found = await findings({ routes: [route({ accessToken: { scope: 'orders:read' } })] })
    assert.ok(found.some((line) => line.startsWith('problem tokens of /api: by refresh_token, ')))
  })

  test('a provider that grants what routes need, or does not say what it grants, is nothing to complain of', async () => {
    const routes = [
      route({ path: '/orders', accessToken: { scope: 'orders:read' } }),
      route({ path: '/prices', token: 'client' }),
      route({ path: '/public', token: 'none' }),
    ]
    answers = { [discoveryPath]: metadata({ grant_types_supported: ['refresh_token', 'client_credentials'] }) }
    assert.deepEqual(
      (await findings({ routes })).filter((line) => line.includes('tokens of')),
      ['ok tokens of /orders: by refresh_token', 'ok tokens of /prices: by client_credentials'],
    )
    answers = { [discoveryPath]: metadata({ grant_types_supported: undefined }) }
    assert.ok(!(await findings({ routes })).some((line) => line.includes('tokens of')))
  })

  test('no end_session_endpoint at Auth0 is made up for by its own', async () => {
    answers = { [discoveryPath]: metadata({ end_session_endpoint: undefined }) }
    const found = await findings({ provider: 'auth0' })
    assert.ok(found.some((line) => /^ok logout: .*v2\/logout/.test(line)))
  })

  test('Amazon Cognito without an end_session_endpoint has no other', async () => {
    answers = { [discoveryPath]: metadata({ end_session_endpoint: undefined }) }
    const found = await findings({ provider: 'amazon-cognito' })
    assert.ok(found.some((line) => line.startsWith('warning logout: ')))
  })

  const clocks: [number, RegExp][] = [
    [0, /^ok/],
    [10, /^warning/],
    [-10, /^warning/],
    [60, /^problem/],
    [-60, /^problem/],
  ]
  for (const [seconds, expected] of clocks) {
    test(`a clock that is ${seconds} s ahead: ${expected.source.slice(1)}`, async () => {
      answers = { [discoveryPath]: metadata({}, seconds) }
      const found = (await findings()).filter((line) => line.includes(' clock: '))
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', expected)
    })
  }

  const broken: Record<string, Answer> = {
    'status 404': (response) => response.writeHead(404).end(),
    'status 302': (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    'something else than JSON': (response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello</h1>'),
    'does not answer': (response) => response.destroy(),
  }
  for (const [what, answer] of Object.entries(broken)) {
    test(`a discovery document that cannot be had (${what}) is the one problem`, async () => {
      answers = { [discoveryPath]: answer }
      const found = await findings()
      assert.equal(found.length, 1)
      assert.ok(found[0]?.startsWith('problem discovery: ') && found[0].includes(what))
    })
  }

  for (const [what, answer] of Object.entries({ ...broken, 'an empty set': json({ keys: [] }) })) {
    test(`keys that cannot be had (${what}) are one problem`, async () => {
      answers = { [discoveryPath]: metadata(), '/jwks': answer }
      const found = (await findings()).filter((line) => !line.startsWith('ok '))
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', /^problem keys/)
    })
  }

  test('ends with exit code 0, or 1 at a problem; every line begins with its weight', async () => {
    const { code, lines } = await runCommand(issuer)
    assert.deepEqual([code, lines[0]], [0, 'The configuration is fine.'])
    for (const line of lines.slice(1)) assert.match(line, /^(ok {7}|warning {2})\S/)
    const mistaken = await runCommand(`${issuer}/`)
    assert.equal(mistaken.code, 1)
    assert.ok(mistaken.lines.some((line) => line.startsWith('problem  issuer: ')))
  })
})

async function newKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
  return JSON.stringify(await crypto.subtle.exportKey('jwk', privateKey))
}

async function runCommand(issuer: string) {
  const main = join(import.meta.dirname, '../../src/main.ts')
  const env = {
    BFF_PUBLIC_URL: 'http://localhost:3000',
    BFF_ISSUER: issuer,
    BFF_CLIENT_ID: 'app',
    BFF_CLIENT_SECRET: 'not-a-secret',
    BFF_SESSION_SECRET: 'x'.repeat(32),
    BFF_ROUTES: '[{"path":"/api","upstream":"http://127.0.0.1:9"}]',
  }
  await using child = await startChild(process.execPath, [main, 'check'], { env })
  return { code: await child.ended, lines: child.output().split('\n') }
}
