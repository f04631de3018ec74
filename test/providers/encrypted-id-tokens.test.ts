import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { CompactEncrypt, importJWK, type JWTPayload, SignJWT } from 'jose'
import type { ClientMetadata, Configuration, EncryptionAlgValues } from 'oidc-provider'
import { demoAccounts } from '../../demo/accounts.ts'
import { createDeviations } from '../security/deviations.ts'
import { createKey, type IssuerKey } from '../security/publishing-issuer.ts'
import { createLogoutIssuer, logOutAtProvider, logoutEvent, postLogoutToken } from '../sessions/logout-issuer.ts'
import { recordSecret } from '../support/secrets.ts'
import { overAtOnce } from '../support/token-endpoint.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { createTokenAnswers } from './token-answers.ts'

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const pem = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString()
const usualKey = newKey()

/** A world whose provider encrypts for the keys that the BFF shows, the one of `decryptionKeys`. */
function encrypting(options: WorldOptions = {}, key = usualKey, alg: EncryptionAlgValues = 'ECDH-ES'): Promise<World> {
  const { configure = (usual: Configuration) => usual } = options.provider ?? {}
  return startWorld({
    store: 'memory',
    ...options,
    bff: { decryptionKeys: pem(key), ...options.bff },
    provider: {
      ...options.provider,
      configure: (usual) => {
        const changed = configure(usual)
        return { ...changed, features: { ...changed.features, encryption: { enabled: true } } }
      },
    },
    registration: (usual): ClientMetadata => ({
      jwks_uri: new URL('/bff/jwks.json', usual.redirect_uris?.[0]).href,
      ...(options.registration?.(usual) ?? usual),
      id_token_encrypted_response_alg: alg,
      id_token_encrypted_response_enc: 'A256GCM',
    }),
  })
}

/** Encrypted for the BFF, as anybody can. */
async function encrypt(world: World, jwt: string): Promise<string> {
  const response = await fetch(`${world.origin}/bff/jwks.json`)
  const [jwk] = (await response.json()).keys
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', kid: jwk.kid }
  return new CompactEncrypt(Buffer.from(jwt)).setProtectedHeader(header).encrypt(await importJWK(jwk, header.alg))
}

/** Signed by nobody of importance. */
const signed = (claims: JWTPayload) => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))

describe('ID tokens that are encrypted', { concurrency: 4 }, () => {
  const kinds: Record<string, [KeyObject, EncryptionAlgValues]> = {
    'an RSA key': [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'RSA-OAEP-256'],
    'an EC key': [usualKey, 'ECDH-ES'],
    'an X25519 key': [generateKeyPairSync('x25519').privateKey, 'ECDH-ES'],
  }
  for (const [kind, [key, alg]] of Object.entries(kinds)) {
    test(`for ${kind}: log in, have the claims of a refresh, log out with the token that lay within`, async () => {
      const [alice] = structuredClone(demoAccounts)
      assert.ok(alice)
      const answers = createTokenAnswers()
      const seen: string[] = []
      await using world = await encrypting(
        {
          provider: {
            accounts: [alice],
            intercept: answers.intercept,
            onToken: ({ kind, value }) => void (kind === 'id_token' && seen.push(value)),
          },
        },
        key,
        alg,
      )
      const browser = world.browser()
      assert.equal((await browser.login()).url, `${world.origin}/`)
      Object.assign(alice.claims, { name: 'Alice Newman' })
      assert.equal((await browser.api('/api/x')).status, 200)
      assert.deepEqual(new Set(seen.map((jwt) => jwt.split('.').length)), new Set([5]))
      // They are verified and written in the background.
      const until = Date.now() + 30_000
      const user = async () => (await browser.api('/bff/user')).json()
      while ((await user()).claims.name !== 'Alice Newman') assert.ok(Date.now() < until)
      const sent = await browser.navigate((await user()).logoutUrl, { redirect: 'manual' })
      const hint = new URL(sent.headers.get('location') ?? '').searchParams.get('id_token_hint')
      assert.equal(hint?.split('.').length, 3)
      // Nobody else knows it, so that the search after the run would not look for it.
      recordSecret('id_token', hint ?? '')
      assert.match(await (await browser.navigate(sent.headers.get('location') ?? '')).text(), /Signing out/)
    })
  }

  test('where keys change: what is encrypted for the old one is opened as long as that is there', async () => {
    const old = newKey()
    await using world = await encrypting({ bff: { decryptionKeys: pem(newKey()) + pem(old) } })
    await world.browser().login()
    await using gone = await encrypting({
      registration: (usual) => ({ ...usual, jwks_uri: undefined, jwks: { keys: [publicJwk(old)] } }),
    })
    const browser = gone.browser()
    assert.equal((await browser.login()).status, 400)
    assert.match(JSON.stringify(gone.log), /"undecryptable"/)
  })

  test('are demanded where there are keys: one that is not encrypted is login_failed, and no session', async () => {
    await using world = await startWorld({ store: 'memory', bff: { decryptionKeys: pem(newKey()) } })
    const browser = world.browser()
    const landing = await browser.login()
    assert.deepEqual([landing.status, (await browser.api('/bff/user')).status], [400, 401])
    assert.match(JSON.stringify(world.log), /"not_encrypted"/)
  })

  test('and that nobody can open are login_failed where there are no keys', async () => {
    await using world = await encrypting({
      bff: { decryptionKeys: undefined },
      registration: (usual) => ({ ...usual, jwks_uri: undefined, jwks: { keys: [publicJwk(newKey())] } }),
    })
    assert.equal((await world.browser().login()).status, 400)
  })

  test('and signed by nobody are login_failed: everybody can encrypt for us', async () => {
    const [key, stranger] = [await createKey('usual'), await createKey('usual')]
    const d = createDeviations(key)
    const bff = { decryptionKeys: pem(usualKey) }
    await using world = await startWorld({ store: 'memory', bff, provider: { intercept: d.intercept } })
    const statusAfter = async (by: IssuerKey) => {
      d.now = { key: by, idToken: async (claims, sign) => encrypt(world, await sign(claims)) }
      const browser = world.browser()
      await browser.login()
      return (await browser.api('/bff/user')).status
    }
    assert.deepEqual([await statusAfter(key), await statusAfter(stranger)], [200, 401])
  })

  test('at a refresh: one that cannot be used costs nothing, one of another user ends the session', async () => {
    const answers = createTokenAnswers()
    await using world = await encrypting({ provider: { intercept: answers.intercept } })
    const browser = world.browser()
    await browser.login()
    const { issuer: iss } = world.provider
    const plain = await signed({ iss, sub: 'user-mallory' })
    for (const id_token of [plain, 'a.b.c.d.e']) {
      answers.next((body) => ({ ...body, id_token, expires_in: overAtOnce }))
      assert.equal((await browser.api('/api/x')).status, 200)
    }
    const another = await encrypt(world, plain)
    answers.next((body) => ({ ...body, id_token: another }))
    assert.equal((await browser.api('/api/x')).status, 401)
    assert.ok(world.log.some(({ msg }) => msg === 'subject_changed'))
  })
})

describe('logout tokens that are encrypted', { concurrency: 2 }, () => {
  test('L8: the provider ends a session by one', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await encrypting({ registration: issuer.world.registration })
    const browser = world.browser()
    await browser.login()
    await logOutAtProvider(world, browser)
    assert.equal((await browser.api('/bff/user')).status, 401)
    assert.equal(world.log.filter(({ msg }) => msg === 'logout_token_refused').length, 0)
  })

  test('L8: where encryption was agreed, one that is not encrypted is refused; so is one that is not signed', async () => {
    const issuer = await createLogoutIssuer()
    await using world = await encrypting({
      registration: issuer.world.registration,
      provider: { intercept: issuer.world.provider.intercept },
    })
    const browser = world.browser()
    await browser.login()
    const now = Math.floor(Date.now() / 1000)
    const { issuer: iss } = world.provider
    const claims = () => ({
      ...{ iss, aud: 'coatcheck-demo', sub: 'user-alice', iat: now, exp: now + 120 },
      ...{ jti: crypto.randomUUID(), events: { [logoutEvent]: {} } },
    })
    const { alg, sign } = issuer.key
    const token = () => new SignJWT(claims()).setProtectedHeader({ alg, kid: 'logout' }).sign(sign)
    const statusOf = async (jwt: string) => (await postLogoutToken(world, jwt)).status
    assert.equal(await statusOf(await token()), 400)
    assert.equal(await statusOf(await encrypt(world, await signed(claims()))), 400)
    assert.equal(await statusOf(await encrypt(world, await encrypt(world, await token()))), 400, 'twice')
    assert.equal((await browser.api('/bff/user')).status, 200)
    const reasons = world.log.filter(({ msg }) => msg === 'logout_token_refused').map(({ reason }) => reason)
    assert.equal(reasons[0], 'not_encrypted')
    assert.equal(await statusOf(await encrypt(world, await token())), 200)
    assert.equal((await browser.api('/bff/user')).status, 401)
  })
})

function publicJwk(key: KeyObject) {
  const { d: _, ...half } = key.export({ format: 'jwk' })
  return { ...half, kid: 'registered', use: 'enc' as const }
}
