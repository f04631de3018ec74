import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BffError } from '../../src/errors.ts'
import { createTargets, isUnder, type Target, upstreamPath } from '../../src/proxy/target.ts'
import { routeSchema } from '../../src/route-options.ts'

const route = (path: string, upstream: string, more: object = {}) => routeSchema.parse({ path, upstream, ...more })
const targets = createTargets([
  route('/api', 'http://one.example/v1'),
  route('/api/orders', 'http://two.example'),
  route('/files', 'http://three.example/base/'),
  route('/slash', 'http://four.example', { encodedSlash: true }),
])
const targetOf = (path: string): Target | undefined => targets.find((target) => isUnder(path, target.route.path))

function dialled(url: string): string {
  const target = targetOf(url.split('?', 1)[0] ?? '')
  assert.ok(target)
  return target.origin + upstreamPath(target, url)
}

describe('a request target', () => {
  const cases: Record<string, string> = {
    '/api': 'http://one.example/v1',
    '/api/': 'http://one.example/v1/',
    '/api/x?y=1&y=2&z=a+b%20c;d': 'http://one.example/v1/x?y=1&y=2&z=a+b%20c;d',
    '/api?x': 'http://one.example/v1?x',
    '/api/orders': 'http://two.example/',
    '/api/orders?x': 'http://two.example/?x',
    '/slash/a%2Fb': 'http://four.example/a%2Fb',
    '/api/orders/7': 'http://two.example/7',
    '/api/ordersX': 'http://one.example/v1/ordersX',
    '/files/a%20b/%E2%82%AC/c;v=1': 'http://three.example/base/a%20b/%E2%82%AC/c;v=1',
    '/api/x?u=//evil.example/../..': 'http://one.example/v1/x?u=//evil.example/../..',
  }
  for (const [url, expected] of Object.entries(cases)) {
    test(`${url} goes to ${expected}`, () => assert.equal(dialled(url), expected))
  }

  const bad = [
    '/slash/a%5cb',
    '/slash/%2e%2e%2fx',
    '/api/../admin',
    '/api/./x',
    '/api/..',
    '/api/%2e%2e/x',
    '/api/%2E./x',
    '/api/.%2e',
    '/api/%252e%252e/x',
    '/api/..;/x',
    '/api/..%3bx/y',
    '/api/a%2fb',
    '/api/a%2Fb',
    '/api/a%252fb',
    '/api/a%5cb',
    '/api/a%255cb',
    '/api/a\\b',
    '/api//x',
    '/api//evil.example',
    '/api/x//',
    '/api/%00',
    '/api/x%2500',
    '/api/x#y',
    '/api/x?y#z',
    '/api?x=#',
    '/api/\0',
    // Those of `/api/orders`, for who folds.
    '/api/Orders/7',
    '/api/%6frders/7',
    '/api/%256frders',
    '/api/orders;v=1/7',
    '/api/orders%3bv/7',
    '/api/;/orders/7',
    '/api/orders%20/7',
    '/api/orders./7',
    '/api/%6frders/%ff',
  ]
  for (const url of bad) {
    test(`${JSON.stringify(url)} is bad_target`, () => {
      assert.throws(
        () => dialled(url),
        (error) => error instanceof BffError && error.problem === 'bad_target',
      )
    })
  }

  for (const url of ['/apix', '/api.json', '/api@evil.example', '/ap', '/API/x', '/file']) {
    test(`${url} is under no route`, () => assert.equal(targetOf(url), undefined))
  }
})
