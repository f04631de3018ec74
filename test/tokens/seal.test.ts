import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { createSeal } from '../../src/tokens/seal.ts'
import { TokenSet } from '../../src/tokens/token-set.ts'

const [first, second] = ['1'.repeat(32), '2'.repeat(32)] as const

describe('a seal', () => {
  const seal = createSeal([first])
  const sealed = seal.close('tokens a', 'plain')

  test('opens what it closed', () => assert.equal(seal.open('tokens a', sealed), 'plain'))
  test('never closes the same way twice', () => assert.notEqual(seal.close('tokens a', 'plain'), sealed))
  test("does not open under another session's name", () => assert.equal(seal.open('tokens b', sealed), null))
  test('does not open by another secret', () => assert.equal(createSeal([second]).open('tokens a', sealed), null))

  test('opens by an older secret that is still listed', () => {
    assert.equal(createSeal([second, first]).open('tokens a', sealed), 'plain')
  })
  test('closes by the first secret', () => {
    const closed = createSeal([second, first]).close('x', 'plain')
    assert.equal(createSeal([second]).open('x', closed), 'plain')
  })
  test('does not open when any character has been changed', () => {
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice(0, i) + (sealed[i] === 'A' ? 'B' : 'A') + sealed.slice(i + 1)
      // The last character's lowest bits are padding: changed there, the bytes are the same.
      if (Buffer.from(changed.slice(9), 'base64url').equals(Buffer.from(sealed.slice(9), 'base64url')) && i > 8)
        continue
      assert.equal(seal.open('tokens a', changed), null, `at ${i}`)
    }
  })
  test('opens nothing that is no seal at all', () => {
    for (const nonsense of ['', '.', 'a.b', sealed.slice(0, 20), `${sealed.split('.')[0]}.`]) {
      assert.equal(seal.open('tokens a', nonsense), null)
    }
  })
})

describe('a token set', () => {
  const issued = {
    accessToken: 'the-token',
    expiresIn: 60,
    refreshToken: 'the-refresh',
    refreshExpiresIn: 600,
    idToken: 'the-id',
    scope: null,
  }
  const tokens = TokenSet.issued(issued, 1_000, 300_000, {
    issuer: 'i',
    subject: 's',
    scope: 'a b',
    resources: [],
    signedIn: { at: 1, acr: null, beganAt: 1 },
  })

  test('prints itself redacted, however it is printed', () => {
    for (const text of [
      inspect(tokens),
      JSON.stringify({ tokens }),
      `${JSON.stringify([tokens])}`,
      inspect({ a: [tokens] }),
    ]) {
      assert.equal(/the-/.test(text), false)
    }
  })
  test('keeps what a refresh does not bring', () => {
    const fresh = tokens.refreshed(
      { accessToken: 'new', expiresIn: null, refreshToken: null, refreshExpiresIn: null, idToken: null, scope: null },
      2_000,
      300_000,
      { target: null, afterRejection: false },
    )
    assert.deepEqual(
      [fresh.own.value, fresh.refreshToken, fresh.idToken, fresh.own.left(2_000), fresh.grantEndsAt],
      ['new', 'the-refresh', 'the-id', 300_000, 601_000],
    )
  })
  test('is in its window for half of its life at most', () => {
    assert.equal(tokens.own.isInWindow(30_000, 600_000), false)
    assert.equal(tokens.own.isInWindow(31_001, 600_000), true)
    assert.equal(tokens.own.isInWindow(50_000, 10_000), false)
    assert.equal(tokens.own.isInWindow(51_001, 10_000), true)
  })
})
