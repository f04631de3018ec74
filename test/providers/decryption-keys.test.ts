import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { CompactEncrypt } from 'jose'
import { type DecryptionKey, readDecryptionKeys } from '../../src/decryption-keys.ts'
import { createJwtOpener } from '../../src/relying-party/decryption.ts'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curves = ['P-256', 'P-384', 'P-521'].map((namedCurve) => generateKeyPairSync('ec', { namedCurve }))
const agreed: readonly Pair[] = [...curves, generateKeyPairSync('x25519')]
const [ec = rsa] = agreed

const pem = ({ privateKey }: Pair) => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const jwk = ({ privateKey }: Pair) => privateKey.export({ format: 'jwk' })

function read(text: string): readonly DecryptionKey[] {
  const keys = readDecryptionKeys(text)
  assert.ok(typeof keys !== 'string', String(keys))
  return keys
}

function encrypt({ publicKey }: Pair, header: { alg: string; kid?: string }, enc = 'A256GCM') {
  return new CompactEncrypt(Buffer.from('a.b.c')).setProtectedHeader({ ...header, enc }).encrypt(publicKey)
}

const opened = { is: 'opened', jwt: 'a.b.c' }
const undecryptable = { is: 'refused', reason: 'undecryptable' }

describe('keys that the provider encrypts for', { concurrency: 4 }, () => {
  test('open what was encrypted by every algorithm of their type, and any content encryption', async () => {
    const open = createJwtOpener(read([rsa, ...agreed].map(pem).join('')))
    for (const alg of ['RSA-OAEP', 'RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512'])
      assert.deepEqual(await open(await encrypt(rsa, { alg })), opened, alg)
    for (const pair of agreed)
      for (const alg of ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'])
        assert.deepEqual(await open(await encrypt(pair, { alg })), opened, alg)
    for (const enc of ['A128GCM', 'A192GCM', 'A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512'])
      assert.deepEqual(await open(await encrypt(rsa, { alg: 'RSA-OAEP' }, enc)), opened, enc)
  })

  test('are taken by the name in the header, and all tried where it has none', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keys = read(
      JSON.stringify({
        keys: [
          { ...jwk(other), kid: 'new' },
          { ...jwk(ec), kid: 'old' },
        ],
      }),
    )
    const open = createJwtOpener(keys)
    const alg = 'ECDH-ES'
    for (const header of [{ alg }, { alg, kid: 'old' }]) assert.deepEqual(await open(await encrypt(ec, header)), opened)
    for (const header of [
      { alg, kid: 'new' },
      { alg, kid: 'unknown' },
    ])
      assert.deepEqual(await open(await encrypt(ec, header)), undecryptable)
  })

  test('with an algorithm of their own are used by that alone', async () => {
    const open = createJwtOpener(read(JSON.stringify({ ...jwk(rsa), alg: 'RSA-OAEP-256' })))
    assert.deepEqual(await open(await encrypt(rsa, { alg: 'RSA-OAEP-256' })), opened)
    assert.deepEqual(await open(await encrypt(rsa, { alg: 'RSA-OAEP' })), undecryptable)
  })

  test('open nothing that anybody could have made into something else, and break at nothing', async () => {
    const open = createJwtOpener(read(pem(rsa)))
    const good = await encrypt(rsa, { alg: 'RSA-OAEP' })
    const [, ...rest] = good.split('.')
    const under = (header: object) => [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.')
    for (const jwt of [
      await encrypt(generateKeyPairSync('rsa', { modulusLength: 2048 }), { alg: 'RSA-OAEP' }),
      good.replace(/.{6}$/, 'AAAAAA'),
      under({ alg: 'RSA1_5', enc: 'A256GCM' }),
      under({ alg: 'dir', enc: 'A256GCM' }),
      under({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', p2c: 2 ** 31, p2s: 'AAAA' }),
      under({ alg: 'RSA-OAEP', enc: 'none' }),
      under({ alg: ['RSA-OAEP'], enc: 'A256GCM' }),
      under({ alg: 'RSA-OAEP', enc: 'A256GCM', crit: ['x'], x: 1 }),
      '....',
      'a.b.c.d.e',
      `bnVsbA.${rest.join('.')}`,
    ])
      assert.deepEqual(await open(jwt), undecryptable, jwt)
    for (const jwt of ['a.b.c', '', 'text', 'a.b.c.d.e.f'])
      assert.deepEqual(await open(jwt), { is: 'refused', reason: 'not_encrypted' })
  })

  test('that there are not leave everything as it came', async () => {
    const jwt = await encrypt(rsa, { alg: 'RSA-OAEP' })
    for (const text of [jwt, 'a.b.c']) assert.deepEqual(await createJwtOpener([])(text), { is: 'opened', jwt: text })
  })

  test('show their public half alone, for encryption', () => {
    const [first, second] = read(`${pem(rsa)}${pem(ec)}`)
    assert.deepEqual(Object.keys(first?.publicJwk ?? {}).toSorted(), ['e', 'kid', 'kty', 'n', 'use'])
    assert.deepEqual(Object.keys(second?.publicJwk ?? {}).toSorted(), ['crv', 'kid', 'kty', 'use', 'x', 'y'])
    assert.deepEqual([first?.publicJwk.use, second?.publicJwk.use], ['enc', 'enc'])
  })

  const refused: Record<string, string> = {
    'something that is no key': 'hunter2hunter2',
    'a key that only signs': pem(generateKeyPairSync('ed25519')),
    'an algorithm of another kind of key': JSON.stringify({ ...jwk(ec), alg: 'RSA-OAEP' }),
    'the padding that can be asked out': JSON.stringify({ ...jwk(rsa), alg: 'RSA1_5' }),
    'an algorithm of signatures': JSON.stringify({ ...jwk(rsa), alg: 'RS256' }),
    'a short RSA key': pem(generateKeyPairSync('rsa', { modulusLength: 1024 })),
    'one key twice': pem(ec) + pem(ec),
  }
  for (const [what, text] of Object.entries(refused)) {
    test(`${what}: refused in one sentence that repeats no part of it`, () => {
      const answer = readDecryptionKeys(text)
      assert.ok(typeof answer === 'string')
      assert.match(answer, /^(must|has) [^\n]+$/)
      assert.equal(/hunter2|BEGIN/.test(answer), false)
    })
  }
})
