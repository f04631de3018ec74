import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { judgeReturnUrl } from '../../src/http/return-url.ts'
import { routeSchema } from '../../src/route-options.ts'

const here = 'https://app.example'
const routes = [routeSchema.parse({ path: '/api', upstream: 'http://127.0.0.1:9' })]
const judged = (value: string | null) => judgeReturnUrl(value, { publicUrl: here, basePath: '/bff', routes })

describe('a return URL', () => {
  for (const path of [
    '/',
    '/orders',
    '/orders/7?tab=2&x=%20#end',
    '/a//b',
    '/bffx',
    '/~me/@you',
    '/?next=//evil.example',
  ]) {
    test(`${path} is kept as it is`, () => assert.equal(judged(path), path))
  }

  const elsewhere = [
    'https://evil.example',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/.//evil.example',
    '/..//evil.example',
    '/foo/..//evil.example',
    '/%2e//evil.example',
    '/./\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    ' //evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    '//user@evil.example',
    '//app.example/\\evil.example',
    '/\u2028/evil.example',
    '/caf\u00e9',
    'orders',
    '',
    '?x',
    '#x',
    '/a b',
    '/\u0000',
  ]
  for (const value of elsewhere) {
    test(`${JSON.stringify(value)} is replaced by /`, () => assert.equal(judged(value), '/'))
  }

  for (const own of [
    '/api',
    '/api/x?y',
    '/API/x',
    '/bff',
    '/bff/logout',
    '/BFF/login',
    '/x/../bff/logout',
    '/%2e/bff/login',
  ]) {
    test(`${own}, no page of ours, is replaced by /`, () => assert.equal(judged(own), '/'))
  }

  test('of 1,500 characters is kept as it is, and a longer one replaced by /', () => {
    const longest = `/orders?ids=${'7'.repeat(1_488)}`
    assert.equal(judged(longest), longest)
    assert.equal(judged(`${longest}7`), '/')
  })

  test('is as long as it is sent: what has to be escaped counts for three', () => {
    assert.equal(judged(`/${'"'.repeat(499)}`), `/${'%22'.repeat(499)}`)
    assert.equal(judged(`/${'"'.repeat(500)}`), '/')
  })

  test('none at all is /', () => assert.equal(judged(null), '/'))

  test('whatever is sent resolves to our origin', () => {
    for (const value of elsewhere.flatMap((v) => [v, encodeURIComponent(v), encodeURI(v)])) {
      assert.equal(new URL(judged(value), here).origin, here)
    }
  })
})
