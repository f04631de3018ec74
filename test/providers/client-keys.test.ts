import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { type ClientKey, readClientKeys } from '../../src/client-keys.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8') =>
  key.export({ format: 'pem', type }).toString()
const jwk = (key: KeyObject) => key.export({ format: 'jwk' })

function read(text: string): readonly ClientKey[] {
  const keys = readClientKeys(text)
  assert.ok(typeof keys !== 'string', String(keys))
  return keys
}
const algorithmsOf = (text: string) => read(text).map(({ publicJwk }) => publicJwk.alg)

describe('keys of our own', () => {
  test('are read from every PEM that openssl writes, one after another', () => {
    for (const type of ['pkcs8', 'pkcs1'] as const) assert.deepEqual(algorithmsOf(pem(rsa.privateKey, type)), ['RS256'])
    for (const type of ['pkcs8', 'sec1'] as const) assert.deepEqual(algorithmsOf(pem(ec.privateKey, type)), ['ES256'])
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
    const several = `${parameters}${pem(ec.privateKey, 'sec1')}\n# old\r\n${pem(rsa.privateKey)}`
    assert.deepEqual(algorithmsOf(several), ['ES256', 'RS256'])
  })

  test('are read from a JWK and from a JWK Set, with the algorithm that they name', () => {
    assert.deepEqual(algorithmsOf(JSON.stringify(jwk(ec.privateKey))), ['ES256'])
    const keys = [{ ...jwk(rsa.privateKey), alg: 'PS256' }, jwk(ec.privateKey)]
    assert.deepEqual(algorithmsOf(JSON.stringify({ keys }, null, 2)), ['PS256', 'ES256'])
  })

  test('have the name that they bring, or their thumbprint', async () => {
    for (const pair of [rsa, ec]) {
      assert.equal(read(pem(pair.privateKey))[0]?.kid, await calculateJwkThumbprint(pair.publicKey))
    }
    assert.equal(read(JSON.stringify({ ...jwk(ec.privateKey), kid: 'mine' }))[0]?.kid, 'mine')
  })

  test('show their public half alone', () => {
    const [first, second] = read(`${pem(rsa.privateKey)}${pem(ec.privateKey)}`)
    assert.deepEqual(Object.keys(first?.publicJwk ?? {}).toSorted(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
    assert.deepEqual(Object.keys(second?.publicJwk ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    assert.equal(first?.privateKey.extractable, false)
  })

  const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  const refused: Record<string, string> = {
    'no key at all': '',
    'something that is no key': 'hunter2hunter2',
    'broken JSON': '{"kty":',
    'an empty JWK Set': '{"keys":[]}',
    'a JWK Set with something else in it': '{"keys":[null]}',
    'a public PEM': rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    'a public JWK': JSON.stringify(jwk(rsa.publicKey)),
    'a PEM that needs a passphrase': ec.privateKey.export(locked).toString(),
    'a PEM that was cut off': pem(rsa.privateKey).slice(0, 800),
    'a shared secret': '{"kty":"oct","k":"aHVudGVyMg"}',
    'a short RSA key': pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
    'a key that cannot sign': pem(generateKeyPairSync('x25519').privateKey),
    'an algorithm of another kind of key': JSON.stringify({ ...jwk(ec.privateKey), alg: 'RS256' }),
    'the algorithm none': JSON.stringify({ ...jwk(ec.privateKey), alg: 'none' }),
    'a symmetric algorithm': JSON.stringify({ ...jwk(rsa.privateKey), alg: 'HS256' }),
    'one key twice': pem(ec.privateKey) + pem(ec.privateKey),
  }
  for (const [what, text] of Object.entries(refused)) {
    test(`${what} is refused in one sentence that repeats no part of it`, () => {
      const answer = readClientKeys(text)
      assert.ok(typeof answer === 'string')
      assert.match(answer, /^(must|has) [^\n]+$/)
      assert.equal(/hunter2|BEGIN|aHVud/.test(answer), false)
    })
  }
})
