import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeJwt } from 'jose'
import { demoAccounts } from '../../demo/accounts.ts'
import { audience, type Profile, type ProfileWorld, profiles, startProfile, withFixedLifetime } from './profiles.ts'

const codeOf = async (answer: Response) => [answer.status, (await answer.json()).code]

for (const [name, profile] of Object.entries<Profile>(profiles)) {
  describe(`a provider that behaves as ${name}`, { concurrency: 3 }, () => {
    test('log in, call while the token is renewed at every call, log out there and here', async () => {
      await using world = await startProfile(profile)
      const browser = world.browser()
      assert.equal((await browser.login()).url, `${world.origin}/`)
      for (let call = 1; call <= 3; call++) {
        assert.equal((await browser.api('/api/x')).status, 200)
        assert.equal(world.provider.counts.refresh, call)
      }
      const { logoutUrl } = await (await browser.api('/bff/user')).json()
      assert.equal((await browser.logout(logoutUrl)).url, `${world.origin}/`)
      assert.equal(world.provider.counts.logout + world.loggedOutTo.length, 1)
      assert.deepEqual(await codeOf(await browser.api('/api/x')), [401, 'no_session'])
      await world.nodes[0]?.bff.close() // waits for the revocation
      assert.equal(world.provider.counts.token_revoked, 1)
    })

    test('log out by script', async () => {
      await using world = await startProfile(profile)
      const browser = world.browser()
      await browser.login()
      const { redirectTo } = await (await browser.api('/bff/logout', { method: 'POST' })).json()
      assert.equal(new URL(redirectTo).searchParams.has('id_token_hint'), false)
      assert.equal((await browser.logout(redirectTo)).url, `${world.origin}/`)
      assert.equal(world.provider.counts.logout + world.loggedOutTo.length, 1)
    })

    test('twenty calls at once do not present a refresh token twice', async () => {
      await using world = await startProfile(profile)
      const browser = world.browser()
      await browser.login()
      const answers = await Promise.all(Array.from({ length: 20 }, () => browser.api('/api/x')))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.equal(world.provider.counts.refresh_refused, 0)
    })

    test('a refresh token that is blacklisted there is one session_ended, then no session', async () => {
      await using world = await startProfile(profile)
      const browser = world.browser()
      await browser.login()
      assert.equal(world.provider.revokeGrants(), 1)
      assert.deepEqual(await codeOf(await browser.api('/api/x')), [401, 'session_ended'])
      assert.equal(world.log.find(({ msg }) => msg === 'session_ended')?.['reason'], 'refused')
    })

    test('without offline access a session lasts as long as its access token, and the log names the switch', async () => {
      const { configure = (usual) => usual } = profile.provider
      await using world = await startProfile(profile, {
        configure: (usual) => ({ ...configure(usual), issueRefreshToken: async () => false }),
      })
      world.tokenAnswers.always((body) => body)
      const browser = world.browser()
      await browser.login()
      assert.equal((await browser.api('/api/x')).status, 200)
      const { session } = await (await browser.api('/bff/user')).json()
      assert.ok(session.expiresIn <= 30, `${session.expiresIn} s`)
      assert.match(String(world.log.find(({ msg }) => msg === 'no_refresh_token')?.['remedy']), profile.remedy)
    })

    test('claims that have changed by the time of a refresh are those that the application sees', async () => {
      const [alice] = structuredClone(demoAccounts)
      assert.ok(alice)
      await using world = await startProfile(profile, { accounts: [alice] })
      const browser = world.browser()
      await browser.login()
      Object.assign(alice.claims, { name: 'Alice Newman' })
      assert.equal((await browser.api('/api/x')).status, 200)
      // They are verified and written in the background.
      const until = Date.now() + 30_000
      const name = async () => (await (await browser.api('/bff/user')).json()).claims.name
      while ((await name()) !== 'Alice Newman') assert.ok(Date.now() < until)
    })
  })
}

describe('Auth0, with an overlap', { concurrency: 3 }, () => {
  test('an answer that is lost on the way costs nothing: the previous refresh token is taken once more', async () => {
    await using world = await startProfile(profiles.auth0)
    const browser = world.browser()
    await browser.login()
    world.tokenAnswers.next(() => null)
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.deepEqual([world.provider.counts.refresh, world.provider.counts.refresh_refused], [3, 0])
  })

  test('an older refresh token that somebody replays revokes the family, and the session ends', async () => {
    const issued: string[] = []
    await using world = await startProfile(profiles.auth0, {
      onToken: ({ kind, value }) => void (kind === 'refresh_token' && issued.push(value)),
    })
    const browser = world.browser()
    await browser.login()
    for (const _ of ['first', 'second']) await browser.api('/api/x')
    const [oldest = '', previous = ''] = new Set(issued)
    assert.equal(await replay(world, previous), 200, 'within the overlap')
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.equal(await replay(world, oldest), 400)
    assert.deepEqual(await codeOf(await browser.api('/api/x')), [401, 'session_ended'])
  })

  test('the lifetime of a family does not grow by exchanges: the session ends with it', async () => {
    const { configure } = profiles.auth0.provider
    await using world = await startProfile(profiles.auth0, {
      configure: (usual) => withFixedLifetime(configure(usual), 5),
    })
    const browser = world.browser()
    await browser.login()
    const until = Date.now() + 30_000
    let answer = await browser.api('/api/x')
    // oidc-provider issues nothing that lives for less than a second, and fails in the family's last one: once 503, then 401.
    while (answer.status !== 401 && Date.now() < until) answer = await browser.api('/api/x')
    assert.equal(answer.status, 401)
    assert.ok(world.provider.counts.refresh > 2)
  })

  test('the access token is a JWT for the API that `audience` names', async () => {
    await using world = await startProfile(profiles.auth0)
    const token = await tokenAtTheApi(world)
    assert.equal(decodeJwt(token).aud, audience)
  })

  test('without `audience` the access token is opaque, and is passed on as it is', async () => {
    await using world = await startProfile({ ...profiles.auth0, bff: { provider: 'auth0' } })
    assert.equal((await tokenAtTheApi(world)).split('.').length, 1)
  })
})

test('Identity Engine, without an overlap: an answer that is lost on the way ends the session, once', async () => {
  await using world = await startProfile(profiles['identity-engine'])
  const browser = world.browser()
  await browser.login()
  world.tokenAnswers.next(() => null)
  assert.deepEqual(await codeOf(await browser.api('/api/x')), [401, 'session_ended'])
  assert.equal(world.log.find(({ msg }) => msg === 'session_ended')?.['reason'], 'rotation_lost')
})

test('Cloudentity, without rotation: the first refresh token serves until the end', async () => {
  const shown: string[] = []
  await using world = await startProfile(profiles.cloudentity, {
    onToken: ({ kind, value }) => void (kind === 'refresh_token' && shown.push(value)),
  })
  const browser = world.browser()
  await browser.login()
  world.tokenAnswers.next(() => null)
  for (let call = 0; call < 3; call++) assert.equal((await browser.api('/api/x')).status, 200)
  assert.equal(new Set(shown).size, 1)
})

/** Somebody else presents a refresh token. @returns the status */
async function replay({ options, provider }: ProfileWorld, refreshToken: string): Promise<number> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
  const credentials = Buffer.from(`${options.clientId}:${options.clientSecret}`).toString('base64')
  const headers = { authorization: `Basic ${credentials}` }
  return (await fetch(new URL('/token', provider.issuer), { method: 'POST', body, headers })).status
}

async function tokenAtTheApi(world: ProfileWorld): Promise<string> {
  const arrived = Promise.withResolvers<string>()
  world.upstream.onRequest(({ headers }) => {
    arrived.resolve(headers.authorization ?? '')
    return false
  })
  const browser = world.browser()
  await browser.login()
  await browser.api('/api/x')
  return (await arrived.promise).slice('Bearer '.length)
}
