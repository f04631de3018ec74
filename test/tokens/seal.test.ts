import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { AccessToken } from '../../src/tokens/access-token.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import { TokenSet } from '../../src/tokens/token-set.ts'
import type { TokenTarget } from '../../src/tokens/token-target.ts'

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
  test('keeps what targets brought when the own access token is refreshed, and not what that one was exchanged for', () => {
    const orders = { by: 'refresh', key: 'o', parameters: { scope: 'orders' } } as const
    const stock = { by: 'refresh', key: 's', parameters: {} } as const
    const billing = { by: 'exchange', key: 'b', parameters: {} } as const
    const seal = createSeal(['x'.repeat(32)])
    const refresh = (set: TokenSet, target: TokenTarget | null, accessToken: string, expiresIn = 60) => {
      const fresh = { ...issued, accessToken, expiresIn, refreshToken: `after ${accessToken}` }
      return set.refreshed(fresh, 2_000, 300_000, { target, afterRejection: false })
    }
    const brought = refresh(refresh(tokens, stock, 'short', 1), orders, 'for-orders')
    const ours = { accessToken: 'for-billing', expiresIn: 60 }
    const all = brought.exchanged(
      billing,
      AccessToken.issued(ours, 2_000, 300_000, { scope: '', afterRejection: false }),
      2_000,
    )
    const kept = TokenSet.open(seal, 'ref', all.seal(seal, 'ref'))
    const values = [null, orders, stock, billing].map((target) => kept?.of(target)?.value)
    assert.deepEqual(values, ['the-token', 'for-orders', 'short', 'for-billing'])
    assert.deepEqual([kept?.refreshToken, kept?.scope, kept?.of(orders)?.scope], ['after for-orders', 'a b', 'orders'])
    const later = kept?.refreshed({ ...issued, accessToken: 'new' }, 4_000, 1, { target: null, afterRejection: false })
    const then = [null, orders, stock, billing].map((target) => later?.of(target)?.value)
    assert.deepEqual(then, ['new', 'for-orders', undefined, undefined])
  })
  test('is in its window for half of its life at most', () => {
    assert.equal(tokens.own.isInWindow(30_000, 600_000), false)
    assert.equal(tokens.own.isInWindow(31_001, 600_000), true)
    assert.equal(tokens.own.isInWindow(50_000, 10_000), false)
    assert.equal(tokens.own.isInWindow(51_001, 10_000), true)
  })
})
