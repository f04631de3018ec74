import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Login } from '../../src/relying-party/authorization-code.ts'
import type { EndReason } from '../../src/storage/store.ts'
import { type Pair, startPair, storeKinds } from '../rotation/token-pair.ts'

const newRef = () => randomBytes(12).toString('base64url')
const seconds = () => Math.floor(Date.now() / 1000)

/** A login of alice's whose ID token says more. */
function loginOf({ provider }: Pair, claims: Record<string, unknown> = {}, scope: string | null = null): Login {
  const login = provider.login('alice-again', 'alice')
  return {
    tokens: { ...login.tokens, scope },
    claims: { iat: seconds(), sid: 'session-1', ...login.claims, ...claims },
  }
}

for (const kind of storeKinds) {
  describe(`a logout at the provider while a login is on its way, sessions in ${kind}`, { concurrency: 6 }, () => {
    for (const where of ['before', 'after'] as const) {
      for (const [by, sid, claims] of [
        ['user', null, {}],
        ['session', 'session-1', {}],
        ['session, which the login does not know', 'session-1', { sid: undefined }],
      ] as const) {
        test(`${where} its record is written, by ${by}: no session is left`, async () => {
          await using pair = await startPair(kind, { revokes: 'token' })
          const { a, b, provider } = pair
          const ref = newRef()
          const stop = a.script.stop('begin', where)
          const login = loginOf(pair, claims)
          const begun = a.tokens.begin(ref, login)
          await stop.reached
          const subject = login.claims.sub
          const loggedOut = { issuer: login.claims.iss, subject, sid, at: seconds() }
          assert.equal(await b.tokens.endAll(loggedOut, 'backchannel_logout'), true)
          stop.go()
          await assert.rejects(begun, { name: 'BffError', problem: 'login_failed' })
          assert.deepEqual([await a.ask(ref), await b.ask(ref)], ['no_session', 'no_session'])
          await Promise.all([a.tokens.drain(), b.tokens.drain()])
          if (where === 'before') assert.deepEqual(provider.revoked, ['alice-again.1'], 'nobody holds it')
        })
      }
    }

    test('a login that the provider confirms later than its logout is a session', async () => {
      await using pair = await startPair(kind)
      const { a, b } = pair
      const { claims } = loginOf(pair)
      const loggedOut = { issuer: claims.iss, subject: claims.sub, sid: null, at: seconds() }
      await b.tokens.endAll(loggedOut, 'backchannel_logout')
      await b.tokens.endAll({ ...loggedOut, sid: 'session-1' }, 'backchannel_logout')
      const ref = newRef()
      await a.tokens.begin(ref, loginOf(pair, { iat: loggedOut.at + 1 }))
      assert.match(await b.ask(ref), /^alice-again/)
      for (const claims of [
        { sub: 'bob', sid: 'session-2' },
        { sub: 'bob', sid: undefined },
      ]) {
        await a.tokens.begin(newRef(), loginOf(pair, { ...claims, iat: loggedOut.at - 1 }))
      }
    })

    test('a token without a time, or with an earlier one, is of before the logout', async () => {
      await using pair = await startPair(kind)
      const { a, b } = pair
      const { claims } = loginOf(pair)
      const at = seconds()
      await b.tokens.endAll({ issuer: claims.iss, subject: claims.sub, sid: null, at }, 'backchannel_logout')
      for (const iat of [undefined, 'soon', at - 1, at]) {
        await assert.rejects(a.tokens.begin(newRef(), loginOf(pair, { iat })), { problem: 'login_failed' })
      }
    })
  })

  describe(`what is revoked after a logout at the provider, sessions in ${kind}`, { concurrency: 6 }, () => {
    const cases: [EndReason, string, boolean][] = [
      ['backchannel_logout', 'openid offline_access', false],
      ['backchannel_logout', 'openid offline_access_to_nothing', true],
      ['backchannel_logout', 'openid', true],
      ['frontchannel_logout', 'openid', false],
    ]
    for (const [reason, scope, isRevoked] of cases) {
      test(`L7: by ${reason} a refresh token of scope "${scope}" is ${isRevoked ? '' : 'not '}revoked`, async () => {
        await using pair = await startPair(kind, { revokes: 'token' })
        const { a, b, provider } = pair
        const ref = newRef()
        const login = loginOf(pair, {}, scope)
        await a.tokens.begin(ref, login)
        const loggedOut = { issuer: login.claims.iss, subject: null, sid: 'session-1', at: seconds() }
        assert.equal(await b.tokens.endAll(loggedOut, reason), true)
        assert.equal(await a.ask(ref), 'no_session')
        await b.tokens.drain()
        assert.deepEqual(provider.revoked, isRevoked ? ['alice-again.1'] : [])
      })
    }
  })
}
