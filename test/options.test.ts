import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import express from 'express'
import { ConfigurationError } from '../src/errors.ts'
import { parseOptions } from '../src/options.ts'
import { createCertificate } from './support/certificate.ts'

const good = {
  publicUrl: 'https://app.example',
  issuer: 'https://login.example/',
  clientId: 'app',
  clientSecret: 'secret',
  sessionSecret: 'x'.repeat(32),
  redisUrl: 'redis://127.0.0.1:6379',
  routes: [{ path: '/api', upstream: 'http://127.0.0.1:4000/v1' }],
}

const directory = mkdtempSync(join(tmpdir(), 'coatcheck-options-'))
after(() => rmSync(directory, { recursive: true }))
const { cert, key } = createCertificate()
for (const [name, pem] of Object.entries({ cert, key, otherKey: createCertificate().key })) {
  writeFileSync(file(name), pem)
}

function file(name: string): string {
  return join(directory, name)
}

function tls(files: { ca?: string; cert?: string; key?: string }) {
  return { routes: [{ path: '/api', upstream: 'https://a', tls: files }] }
}

function problemsOf(changes: object, production = false): readonly string[] {
  try {
    parseOptions({ ...good, ...changes }, { production })
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigurationError)
    return error.problems
  }
}

const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString()

describe('options', () => {
  test('what is required suffices', () => assert.deepEqual(problemsOf({}, true), []))

  test('every problem is named at once', () => {
    const found = problemsOf({
      publicUrl: 'http://app.example',
      issuer: undefined,
      routes: [],
      colour: 'red',
      store: 'memory',
    })
    const named = ['publicUrl', 'issuer', 'routes', 'colour', 'store']
    assert.deepEqual(
      named.filter((name) => !found.some((problem) => problem.startsWith(name))),
      [],
    )
  })

  const refused: Record<string, object> = {
    'a public URL with a path': { publicUrl: 'https://app.example/x' },
    'a public URL with a trailing slash': { publicUrl: 'https://app.example/' },
    'plain http on a public name': { publicUrl: 'http://app.example' },
    'an http issuer that is not on a loopback address': { issuer: 'http://login.example' },
    'a session secret that is too short': { sessionSecret: 'short' },
    'a second session secret that is too short': { sessionSecret: `${'x'.repeat(32)},short` },
    'an authorization parameter that is ours': { authorizationParams: { state: 'x' } },
    'a max_age that is no number of seconds': { authorizationParams: { max_age: '5m' } },
    'a PKCE parameter': { authorizationParams: { code_challenge_method: 'plain' } },
    'a route with a trailing slash': { routes: [{ path: '/api/', upstream: 'http://a' }] },
    'a route with an encoded path': { routes: [{ path: '/a%70i', upstream: 'http://a' }] },
    'a route with dot segments': { routes: [{ path: '/a/../b', upstream: 'http://a' }] },
    'routes that differ by case alone': {
      routes: [
        { path: '/api', upstream: 'http://a' },
        { path: '/API', upstream: 'http://b' },
      ],
    },
    'a route under our own endpoints': { routes: [{ path: '/bff/x', upstream: 'http://a' }] },
    'a token of a route for nothing': { routes: [{ path: '/api', upstream: 'http://a', accessToken: {} }] },
    'X4: a resource with a fragment': {
      routes: [{ path: '/api', upstream: 'http://a', accessToken: { resource: 'https://a/#b' } }],
    },
    'X4: a resource that is no absolute URI': {
      routes: [{ path: '/api', upstream: 'http://a', exchange: { resource: '/a' } }],
    },
    'two kinds of tokens on one route': {
      routes: [{ path: '/api', upstream: 'http://a', accessToken: { audience: 'a' }, exchange: { audience: 'a' } }],
    },
    'an exchange of nobody’s token': {
      routes: [{ path: '/api', upstream: 'http://a', token: 'client', exchange: { audience: 'a' } }],
    },
    'what a token is for that is not put on': {
      routes: [{ path: '/api', upstream: 'http://a', token: 'none', accessToken: { audience: 'a' } }],
    },
    'a scope that nobody would be asked for': {
      routes: [{ path: '/api', upstream: 'http://a', token: 'none', scope: 'admin' }],
    },
    'a scope that holds up those alone who have logged in': {
      routes: [{ path: '/api', upstream: 'http://a', token: 'optional', scope: 'admin' }],
    },
    'an upstream with a query': { routes: [{ path: '/api', upstream: 'http://a/?x' }] },
    'an upstream whose path resolves to another': { routes: [{ path: '/api', upstream: 'http://a/b/../c' }] },
    'an upstream whose path resolves to none': { routes: [{ path: '/api', upstream: 'http://a/b/..' }] },
    'an upstream with an empty segment': { routes: [{ path: '/api', upstream: 'http://a/b//' }] },
    'an upstream without slashes': { routes: [{ path: '/api', upstream: 'http:a' }] },
    'an upstream with a space': { routes: [{ path: '/api', upstream: 'http://a ' }] },
    'an upstream with a backslash': { routes: [{ path: '/api', upstream: 'http://a\\' }] },
    'an upstream with an empty query': { routes: [{ path: '/api', upstream: 'http://a?' }] },
    'an upstream with credentials': { routes: [{ path: '/api', upstream: 'http://u:p@a' }] },
    'a header to set that measures bodies': {
      routes: [{ path: '/api', upstream: 'http://a', responseHeaders: { set: { 'Transfer-Encoding': 'chunked' } } }],
    },
    'a header to set that upstreams are told by us': {
      routes: [{ path: '/api', upstream: 'http://a', requestHeaders: { set: { 'X-Forwarded-For': '1.1.1.1' } } }],
    },
    'a second Authorization': {
      routes: [{ path: '/api', upstream: 'http://a', requestHeaders: { set: { Authorization: 'Key x' } } }],
    },
    'a second Cookie': {
      routes: [
        { path: '/api', upstream: 'http://a', forwardCookies: ['x'], requestHeaders: { set: { cookie: 'y=z' } } },
      ],
    },
    'a scope without openid': { scope: 'profile' },
    'R1: no client authentication': { clientAuth: 'none' },
    'neither a client secret nor keys': { clientSecret: undefined },
    'private_key_jwt without keys': { clientAuth: 'private_key_jwt' },
    'client_secret_jwt without a secret': { clientAuth: 'client_secret_jwt', clientSecret: undefined },
    'client keys that are none': { clientKeys: 'hunter2', clientSecret: undefined },
    'decryption keys that are none': { decryptionKeys: 'hunter2' },
    'one key for signatures and for decryption': { clientKeys: rsaKey, decryptionKeys: rsaKey },
    'redis without a URL': { store: 'redis', redisUrl: undefined },
    'memory with a Redis URL': { store: 'memory' },
    'deadlines that make a lease unsafe': { timing: { sure: 9_500 } },
    'several workers without Redis': { workers: 2, redisUrl: undefined },
    'an unknown deadline': { timing: { leese: 1 } },
    'a number that is text': { port: '3000' },
    'a Redis database that is no number': { redisUrl: 'redis://127.0.0.1:6379/sessions' },
    'a Redis password with a bare percent sign': { redisUrl: 'redis://:50%@127.0.0.1:6379' },
    'Redis without a scheme': { redisUrl: '127.0.0.1:6379' },
    'a proxy to trust that is no address': { trustProxy: 'yes' },
    'a proxy to trust in a subnet that there is not': { trustProxy: 'loopback, 10.0.0.0/33' },
    'a secret for an admin port that is not there': { adminSecret: 'x'.repeat(32) },
    'an authority of an upstream that is not there': tls({ ca: '/none/ca.pem' }),
    'an authority of an upstream that is no certificate': tls({ ca: import.meta.filename }),
    'a certificate for an upstream without its key': tls({ cert: file('cert') }),
    'a certificate for an upstream with the key of another': tls({ cert: file('cert'), key: file('otherKey') }),
  }
  for (const [what, changes] of Object.entries(refused)) {
    test(`${what} is refused`, () => assert.equal(problemsOf(changes).length, 1))
  }

  test('a route without a token may bring credentials of its own', () => {
    const route = {
      path: '/a',
      upstream: 'http://a',
      token: 'none',
      requestHeaders: { set: { Authorization: 'Key x' } },
    }
    assert.deepEqual(problemsOf({ routes: [route] }), [])
  })

  for (const upstream of ['https://api.example:443/v1', 'HTTP://API.example/v1/', 'http://[0:0:0:0:0:0:0:1]:4000/v1']) {
    test(`an upstream is ${upstream} however its host and port are spelt`, () =>
      assert.deepEqual(problemsOf({ routes: [{ path: '/a', upstream }] }), []))
  }

  test('an upstream may have an authority, a certificate and its key of its own', () => {
    assert.deepEqual(problemsOf(tls({ ca: file('cert'), cert: file('cert'), key: file('key') })), [])
  })

  test('the proxies that are accepted are those that Express accepts', () => {
    for (const trustProxy of [' loopback , 10.0.0.0/8', '10.0.0.0/255.0.0.0', '::1', 'fc00::/7', 'uniquelocal']) {
      const parsed = parseOptions({ ...good, trustProxy }, { production: true })
      assert.doesNotThrow(() => express().set('trust proxy', parsed.trustProxy))
    }
    for (const trustProxy of ['', 'yes', 'loopback,', '10.0.0.0/0', '10.0.0.0/8/8', '::/129', 'TRUE']) {
      assert.throws(() => express().set('trust proxy', trustProxy), trustProxy)
      assert.match(problemsOf({ trustProxy }).join(), /^trustProxy: must be true, false, a number/, trustProxy)
    }
  })

  test('spaces between session secrets are no part of them', () => {
    const [one, two] = ['x'.repeat(32), 'y'.repeat(32)]
    const parsed = parseOptions({ ...good, sessionSecret: `${one}, ${two}` }, { production: true })
    assert.deepEqual(parsed.sessionSecret, [one, two])
  })

  test('no store at all is memory, and refused in production', () => {
    assert.equal(parseOptions({ ...good, redisUrl: undefined }, { production: false }).store, 'memory')
    assert.equal(problemsOf({ redisUrl: undefined }, true).length, 1)
    assert.deepEqual(problemsOf({ redisUrl: undefined, store: 'memory' }, true), [])
  })

  test('no problem repeats the value of a secret', () => {
    const found = problemsOf({ sessionSecret: 'hunter2', clientSecret: 17 }).join()
    assert.equal(/hunter2|17/.test(found), false)
  })
})
