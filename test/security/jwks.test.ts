import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { describe, test } from 'node:test'
import { exportJWK, exportSPKI, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { BffError } from '../../src/errors.ts'
import { clientSecret, createKey, type PublishingIssuer, startPublishingIssuer } from './publishing-issuer.ts'

const keyFetches = ({ asked }: PublishingIssuer) => asked.filter((path) => path === '/keys').length

/** What a JWT is taken for: `verified`, the reason of its refusal, or the code of what stopped us from looking. */
async function judged({ provider }: PublishingIssuer, jwt: string): Promise<string> {
  try {
    const verdict = await provider.verifyJwt(jwt, ['exp', 'sub'])
    return verdict.is === 'verified' ? 'verified' : verdict.reason
  } catch (error) {
    if (error instanceof BffError) return error.code
    throw error
  }
}

/** A JWT with a header that no library would write. */
function unsigned(header: object, claims: JWTPayload, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

describe('R16: a signature of the provider', { concurrency: 4 }, () => {
  for (const alg of ['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'Ed25519', 'EdDSA']) {
    test(`R16: by ${alg} is good where the provider says that it uses it`, async () => {
      await using issuer = await startPublishingIssuer()
      const key = await createKey('a', alg)
      issuer.keySet = [key.jwk]
      const jwt = await issuer.sign(key)
      issuer.metadata = { id_token_signing_alg_values_supported: [alg] }
      assert.equal(await judged(issuer, jwt), 'verified')
      assert.equal(await judged(issuer, `${jwt.slice(0, -8)}AAAAAAAA`), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
    })
  }

  test('R16: by an algorithm that the provider does not say it uses is refused', async () => {
    await using issuer = await startPublishingIssuer()
    const key = await createKey('a', 'PS256')
    issuer.keySet = [key.jwk]
    assert.equal(await judged(issuer, await issuer.sign(key)), 'ERR_JOSE_ALG_NOT_ALLOWED')
  })

  test('R16: by no algorithm (none, in any case) is refused even where the provider says that it uses it', async () => {
    await using issuer = await startPublishingIssuer()
    issuer.keySet = [(await createKey('a')).jwk]
    issuer.metadata = { id_token_signing_alg_values_supported: ['none', 'None', 'RS256'] }
    const claims = issuer.claims()
    for (const jwt of [
      new UnsecuredJWT(claims).encode(),
      unsigned({ alg: 'None' }, claims),
      unsigned({ alg: 'none', kid: 'a' }, claims, 'AAAA'),
      unsigned({ kid: 'a' }, claims, 'AAAA'),
    ]) {
      assert.match(await judged(issuer, jwt), /^ERR_(JOSE_ALG_NOT_ALLOWED|JWS_INVALID)$/)
    }
  })

  test('R16: by the client secret is good only where the provider says that it uses it', async () => {
    await using issuer = await startPublishingIssuer()
    issuer.keySet = [(await createKey('a')).jwk]
    const sign = (secret: string) =>
      new SignJWT(issuer.claims()).setProtectedHeader({ alg: 'HS256' }).sign(createSecretKey(Buffer.from(secret)))
    assert.equal(await judged(issuer, await sign(clientSecret)), 'ERR_JOSE_ALG_NOT_ALLOWED')
    await using symmetric = await startPublishingIssuer()
    symmetric.metadata = { id_token_signing_alg_values_supported: ['RS256', 'HS256'], issuer: symmetric.issuer }
    const claims = symmetric.claims()
    const good = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(clientSecret))
    const bad = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(`${clientSecret}.`))
    assert.equal(await judged(symmetric, good), 'verified')
    assert.equal(await judged(symmetric, bad), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
    assert.equal(keyFetches(symmetric), 0)
  })

  test('R16: by the published key used as a secret is refused', async () => {
    await using issuer = await startPublishingIssuer()
    issuer.metadata = { id_token_signing_alg_values_supported: ['RS256', 'HS256'] }
    const { jwk } = await createKey('a')
    issuer.keySet = [jwk]
    const pem = await exportSPKI((await importJWK(jwk)) as CryptoKey) // an RSA key is one
    for (const secret of [pem, JSON.stringify(jwk), jwk.n ?? '']) {
      const key = createSecretKey(Buffer.from(secret))
      const jwt = await new SignJWT(issuer.claims()).setProtectedHeader({ alg: 'HS256', kid: 'a' }).sign(key)
      assert.equal(await judged(issuer, jwt), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
    }
  })

  test('R16: by a key that the header itself brings or points to is refused, and nobody goes there', async () => {
    await using issuer = await startPublishingIssuer()
    await using other = await startPublishingIssuer()
    const [key, stranger] = [await createKey('a'), await createKey('a')]
    issuer.keySet = [key.jwk]
    other.keySet = [stranger.jwk]
    for (const header of [
      { jwk: stranger.jwk },
      { jku: `${other.issuer}/keys` },
      { x5u: `${other.issuer}/keys` },
      { jku: `${other.issuer}/keys`, kid: 'b' },
    ]) {
      assert.notEqual(await judged(issuer, await issuer.sign(stranger, {}, header)), 'verified')
      assert.equal(await judged(issuer, await issuer.sign(key, {}, { ...header, kid: 'a' })), 'verified')
    }
    assert.deepEqual(other.asked, [])
  })

  test('R16: with an extension that we do not know (crit) is refused', async () => {
    await using issuer = await startPublishingIssuer()
    const key = await createKey('a')
    issuer.keySet = [key.jwk]
    const jwt = await issuer.sign(key)
    const [, payload = '', signature = ''] = jwt.split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: 'a', crit: ['exp'], exp: 1 })).toString('base64url')
    assert.equal(await judged(issuer, `${header}.${payload}.${signature}`), 'ERR_JOSE_NOT_SUPPORTED')
  })
})

describe('R16: whose it is, for whom, and for how long', { concurrency: 4 }, () => {
  const now = () => Math.floor(Date.now() / 1000)
  const refused: Record<string, [JWTPayload, string]> = {
    'another issuer': [{ iss: 'https://evil.example' }, 'ERR_JWT_CLAIM_VALIDATION_FAILED iss'],
    'another authorized party': [{ azp: 'somebody-else' }, 'azp'],
    'no audience': [{ aud: undefined as never }, 'ERR_JWT_CLAIM_VALIDATION_FAILED aud'],
    'another audience': [{ aud: 'somebody-else' }, 'ERR_JWT_CLAIM_VALIDATION_FAILED aud'],
    'an expiry that is past': [{ exp: now() - 60 }, 'ERR_JWT_EXPIRED exp'],
    'no expiry': [{ exp: undefined as never }, 'ERR_JWT_CLAIM_VALIDATION_FAILED exp'],
    'an expiry that is a text': [{ exp: `${now() + 60}` as never }, 'ERR_JWT_CLAIM_VALIDATION_FAILED exp'],
    'a beginning that is to come': [{ nbf: now() + 60 }, 'ERR_JWT_CLAIM_VALIDATION_FAILED nbf'],
    'no subject': [{ sub: undefined as never }, 'ERR_JWT_CLAIM_VALIDATION_FAILED sub'],
  }
  for (const [name, [changes, reason]] of Object.entries(refused)) {
    test(`R16: ${name} is refused`, async () => {
      await using issuer = await startPublishingIssuer()
      const key = await createKey('a')
      issuer.keySet = [key.jwk]
      assert.equal(await judged(issuer, await issuer.sign(key, changes)), reason)
      assert.equal(await judged(issuer, await issuer.sign(key)), 'verified')
    })
  }
})

describe('R16: the key set', { concurrency: 4 }, () => {
  test('R16: a key that has come since is fetched once, a key that has gone is no longer good', async () => {
    await using issuer = await startPublishingIssuer()
    const [old, fresh] = [await createKey('old'), await createKey('new')]
    issuer.keySet = [old.jwk]
    const byOld = await issuer.sign(old)
    assert.equal(await judged(issuer, byOld), 'verified')
    issuer.keySet = [fresh.jwk]
    assert.equal(await judged(issuer, await issuer.sign(fresh)), 'verified')
    assert.equal(await judged(issuer, byOld), 'ERR_JWKS_NO_MATCHING_KEY')
    assert.equal(keyFetches(issuer), 2)
  })

  test('R16: a new key without a name takes the place of the old one', async () => {
    await using issuer = await startPublishingIssuer()
    const [old, fresh] = [await createKey(undefined), await createKey(undefined)]
    issuer.keySet = [old.jwk]
    assert.equal(await judged(issuer, await issuer.sign(old)), 'verified')
    issuer.keySet = [fresh.jwk]
    assert.equal(await judged(issuer, await issuer.sign(fresh)), 'verified')
  })

  test('R16: without a key id the only key that fits is taken, and none where several do', async () => {
    await using issuer = await startPublishingIssuer()
    const [rsa, ec, second] = [await createKey('a'), await createKey('b', 'ES256'), await createKey('c')]
    issuer.keySet = [rsa.jwk, ec.jwk]
    const jwt = await issuer.sign({ ...rsa, kid: undefined })
    assert.equal(await judged(issuer, jwt), 'verified')
    await using several = await startPublishingIssuer()
    several.keySet = [rsa.jwk, second.jwk]
    const ambiguous = await several.sign({ ...rsa, kid: undefined })
    assert.equal(await judged(several, ambiguous), 'ERR_JWKS_MULTIPLE_MATCHING_KEYS')
  })

  test('R16: a thousand unknown key ids fetch the keys once, and the known ones stay good', async () => {
    await using issuer = await startPublishingIssuer()
    const key = await createKey('a')
    issuer.keySet = [key.jwk]
    assert.equal(await judged(issuer, await issuer.sign(key)), 'verified')
    const [header, payload, signature] = (await issuer.sign(key)).split('.')
    assert.ok(header && payload && signature)
    const forged = Array.from({ length: 1000 }, (_, i) =>
      unsigned({ alg: 'RS256', kid: `k${i}` }, issuer.claims(), signature),
    )
    const verdicts = await Promise.all(forged.map((jwt) => judged(issuer, jwt)))
    assert.deepEqual(new Set(verdicts), new Set(['ERR_JWKS_NO_MATCHING_KEY']))
    for (const jwt of forged.slice(0, 100)) await judged(issuer, jwt)
    assert.equal(keyFetches(issuer), 2)
    assert.equal(await judged(issuer, await issuer.sign(key)), 'verified')
  })

  test('R16: keys are fetched anew after their time, and serve on while that fails', async () => {
    await using issuer = await startPublishingIssuer({ metadata: 1 })
    const key = await createKey('a')
    issuer.keySet = [key.jwk]
    const jwt = await issuer.sign(key)
    assert.equal(await judged(issuer, jwt), 'verified')
    issuer.status = 500
    const failed = () => issuer.log.filter(({ msg }) => msg === 'discovery_failed' || msg === 'keys_failed').length
    while (failed() < 2) assert.equal(await judged(issuer, jwt), 'verified')
    const soFar = issuer.asked.length
    for (let i = 0; i < 50; i++) assert.equal(await judged(issuer, jwt), 'verified')
    assert.equal(issuer.asked.length, soFar, 'not asked again at once')
  })

  const unusable: Record<string, string> = {
    'an empty set': '{"keys":[]}',
    'not JSON': '<html>welcome</html>',
    'a list': '[]',
    null: 'null',
    'no keys': '{}',
    'keys that are texts': '{"keys":["key"]}',
    'longer than a megabyte': JSON.stringify({ keys: [{ kty: 'RSA', x: 'x'.repeat(1_100_000) }] }),
  }
  for (const [name, keySet] of Object.entries(unusable)) {
    test(`R16: ${name} is no answer of a provider: 503, and one sentence in the log`, async () => {
      await using issuer = await startPublishingIssuer()
      issuer.keySet = keySet
      const jwt = await issuer.sign(await createKey('a'))
      assert.equal(await judged(issuer, jwt), 'provider_unreachable')
      const [line, ...more] = issuer.log.filter(({ msg }) => msg === 'keys_failed')
      assert.match(String(line?.['problem']), /^it[ s][a-z -_()]+$/)
      assert.deepEqual(more, [])
    })
  }

  test('R16: keys of a wrong kind beside a good one are passed over, and refused where they are meant', async () => {
    await using issuer = await startPublishingIssuer()
    const key = await createKey('a')
    const { jwk: secret, sign } = await createKey('private')
    const odd = [
      { kty: 'RSA', kid: 'b' },
      { kty: 'oct', kid: 'c', k: 'c2VjcmV0' },
      { kty: 'RSA', kid: 'd', n: 'AQAB', e: 'AQAB' },
      { ...secret, ...(await exportJWK(sign)), kid: 'private' },
      { ...secret, kid: 'encryption', use: 'enc' },
      { ...secret, kid: 'none', alg: 'none' },
    ]
    issuer.keySet = [...odd, key.jwk]
    assert.equal(await judged(issuer, await issuer.sign(key)), 'verified')
    for (const { kid } of odd)
      assert.notEqual(await judged(issuer, await issuer.sign({ ...key, sign, kid })), 'verified')
  })
})
