import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemoryStore } from '../../src/storage/memory-store.ts'
import { type Timing, timingSchema } from '../../src/timing.ts'
import { overAtOnce } from '../support/token-endpoint.ts'
import { answerAsUsual, type Exchange, type ExchangeHandler, leaveOpen, resetUnprocessed } from './exchange.ts'
import { startRotatingProvider } from './rotating-provider.ts'
import { askUntilSettled, beginSession, createDeployment, startTokenNode } from './token-node.ts'

/** Back-offs are past when the next call comes; an answer is waited for longer than a busy machine takes to give it. */
const timing = { ask: 1_500, askAgain: 1_500, probe: 1, silence: 1, decline: 1 }

interface Expected {
  /** Class of the answer, as the log tells it. */
  outcome: string
  status?: number
  /** What the caller got: name of an access token, or a problem's code. */
  caller: string
  /** The refresh token that the next refresh presents; `null` when the session has ended. */
  next: string | null
}
const silent: Expected = { outcome: 'silent', caller: 'provider_unreachable', next: 'alice.1' }
const refused: Expected = { outcome: 'refused', caller: 'session_ended', next: null }
const declined = (status: number): Expected => ({
  outcome: 'declined',
  status,
  caller: 'provider_unreachable',
  next: 'alice.1',
})
const rotated: Expected = { outcome: 'issued', caller: 'alice.2', next: 'alice.2' }
const rescued: Expected = { ...rotated, caller: 'provider_unreachable' }

const reply =
  (status: number, body: object | string = {}, headers: Record<string, string> = {}): ExchangeHandler =>
  (exchange) =>
    exchange.answer({ status, body, headers })

/** The provider rotates, and says so with these members changed; `undefined` leaves one out. */
const saying =
  (members: object, headers: Record<string, string> = {}): ExchangeHandler =>
  (exchange) => {
    const answer = exchange.process()
    const body = { ...Object(answer.body), expires_in: overAtOnce, ...members }
    exchange.answer({ ...answer, body, headers })
  }

/** An ID token as it would be, but for its signature, which nobody looks at in the answer of a token endpoint. */
function idToken(claims: object, { response }: Exchange): string {
  const now = Math.floor(Date.now() / 1000)
  const issuer = `http://${response.req.headers.host}`
  const payload = { iss: issuer, sub: 'alice', aud: 'coatcheck-test', iat: now, exp: now + 300, ...claims }
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(payload)}.c2lnbmF0dXJl`
}
const claiming =
  (claims: object): ExchangeHandler =>
  (exchange) =>
    saying({ id_token: idToken(claims, exchange) })(exchange)

const partly =
  (text: string, end: (exchange: Exchange) => void): ExchangeHandler =>
  (exchange) => {
    exchange.response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    exchange.response.write(text, () => end(exchange))
  }

const table: Record<string, [ExchangeHandler, Expected]> = {
  'no answer at all': [leaveOpen, silent],
  'a reset before the first byte': [resetUnprocessed, silent],
  'a reset after some bytes': [partly('{"access_', (exchange) => exchange.reset()), silent],
  'a body shorter than announced': [partly('{}', ({ response }) => response.socket?.end()), silent],
  '200 with truncated JSON': [reply(200, '{"access_token":"abc","refresh_to'), silent],
  '200 with something else than JSON': [reply(200, '<html>welcome</html>', { 'content-type': 'text/html' }), silent],
  '200 with neither token': [reply(200, { error: 'invalid_grant' }), silent],
  '500 as JSON': [reply(500, { error: 'server_error' }), declined(500)],
  '502 as HTML': [reply(502, '<h1>Bad Gateway</h1>', { 'content-type': 'text/html' }), declined(502)],
  '503 that says invalid_grant': [reply(503, { error: 'invalid_grant' }), declined(503)],
  'a redirect': [reply(302, '', { location: '/token' }), declined(302)],
  'a redirect that keeps the method': [reply(307, '', { location: '/token' }), declined(307)],
  '429 without Retry-After': [reply(429, { error: 'slow_down' }), declined(429)],
  '400 invalid_grant': [reply(400, { error: 'invalid_grant' }), refused],
  '401 invalid_grant': [reply(401, { error: 'invalid_grant' }), refused],
  '403 invalid_grant, as Auth0 says it': [reply(403, { error: 'invalid_grant' }), refused],
  '403 without a code': [reply(403, 'Forbidden', { 'content-type': 'text/html' }), declined(403)],
  '404 invalid_grant': [reply(404, { error: 'invalid_grant' }), declined(404)],
  '400 INVALID_GRANT, which is no code of the RFC': [reply(400, { error: 'INVALID_GRANT' }), declined(400)],
  '400 with invalid_grant in the text alone': [reply(400, 'invalid_grant'), declined(400)],
  '400 invalid_request': [reply(400, { error: 'invalid_request' }), declined(400)],
  '401 invalid_client': [reply(401, { error: 'invalid_client' }), declined(401)],
  '401 invalid_client with a challenge': [
    reply(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
    declined(401),
  ],
  'an ID token that is none': [saying({ id_token: 'nonsense' }), rotated],
  'an ID token for another client': [claiming({ aud: 'somebody-else' }), rotated],
  'an ID token that is over': [claiming({ iat: 1, exp: 2 }), rotated],
  'a good ID token': [claiming({}), rotated],
  'another subject': [claiming({ sub: 'mallory' }), { ...refused, outcome: 'subject_changed' }],
  'another issuer': [claiming({ iss: 'http://127.0.0.1:1' }), { ...refused, outcome: 'subject_changed' }],
  'no token_type': [saying({ token_type: undefined }), rotated],
  'no access token': [saying({ access_token: undefined }), rescued],
  'an access token with CR and LF': [saying({ access_token: 'a\r\nX-Admin: 1' }), rescued],
  'an access token of 64 KB': [saying({ access_token: 'a'.repeat(65_536) }), rescued],
  'an empty refresh token': [saying({ refresh_token: '' }), { ...rotated, next: 'alice.1' }],
  'a refresh token that is null': [saying({ refresh_token: null }), { ...rotated, next: 'alice.1' }],
  'no refresh token': [saying({ refresh_token: undefined }), { ...rotated, next: 'alice.1' }],
  'JSON that is called text/plain': [saying({}, { 'content-type': 'text/plain' }), rotated],
}

async function start(ownTiming: Partial<Timing> = {}) {
  const provider = await startRotatingProvider()
  const node = await startTokenNode(createDeployment(provider, { timing: { ...timing, ...ownTiming } }), {
    store: createMemoryStore(timingSchema.parse({}).ended),
  })
  const ref = await beginSession(node, provider)
  const close = async () => {
    await node[Symbol.asyncDispose]()
    await provider[Symbol.asyncDispose]()
  }
  return { provider, node, ref, [Symbol.asyncDispose]: close }
}

describe('what the token endpoint answers', { concurrency: 4 }, () => {
  for (const [name, [handler, { outcome, status, caller, next }]] of Object.entries(table)) {
    test(`${name}: ${outcome}, the caller gets ${caller}, ${next ?? 'nothing'} is presented next`, async () => {
      await using running = await start()
      const { provider, node, ref } = running
      provider.always(handler)
      assert.equal(await node.ask(ref), caller)
      const event = node.log.find(({ msg }) => msg === 'refresh')
      assert.deepEqual([event?.['outcome'], event?.['status']], [outcome, status])
      assert.equal(provider.presented.length, outcome === 'silent' ? 2 : 1)
      provider.always(answerAsUsual)
      await askUntilSettled(node, ref)
      const [, ...later] = provider.presented.slice(outcome === 'silent' ? 1 : 0)
      assert.deepEqual(later, next === null ? [] : [next])
      const ended = node.log.some(({ msg }) => msg === 'session_ended')
      assert.equal(ended, next === null || (next === 'alice.1' && caller === 'alice.2'), 'a spent token is refused')
    })
  }

  for (const expires_in of [null, 0, -60, '60', 'soon', 1e300, undefined, {}]) {
    test(`expires_in ${JSON.stringify(expires_in)}: the token is used, and not refreshed at once`, async () => {
      await using running = await start()
      const { provider, node, ref } = running
      provider.next(saying({ expires_in }))
      assert.deepEqual([await node.ask(ref), await node.ask(ref), await node.ask(ref)], Array(3).fill('alice.2'))
      assert.deepEqual(provider.presented, ['alice.1'])
    })
  }

  const unusual = { 'of 64 KB': 'x'.repeat(65_536), 'with spaces in it': ' & a + b ' }
  for (const [what, padding] of Object.entries(unusual)) {
    test(`a refresh token ${what} is kept and presented as it is`, async () => {
      await using running = await start()
      const { provider, node, ref } = running
      provider.padding = padding
      provider.accessTokenSeconds = overAtOnce
      assert.equal(await node.ask(ref), 'alice.2')
      provider.padding = ''
      assert.equal(await node.ask(ref), 'alice.3')
      assert.deepEqual(provider.presented, ['alice.1', 'alice.2'])
    })
  }

  test('Retry-After is honoured, however often somebody asks', async () => {
    await using running = await start()
    const { provider, node, ref } = running
    provider.always(reply(429, { error: 'slow_down' }, { 'retry-after': '60' }))
    for (let i = 0; i < 10; i++) assert.equal(await node.ask(ref), 'provider_unreachable')
    assert.equal(provider.presented.length, 1)
  })

  const pauses: [retryAfter: string, told: string, seconds: number][] = [
    ['0', 'is no leave to ask at once: our own pause stands', 120],
    ['5', 'is shorter than our own pause, which stands', 120],
    ['200', 'is longer than our own pause, and honoured', 200],
    ['999999', 'is honoured for five minutes', 300],
    ['99999999999999999999', 'is honoured for five minutes', 300],
  ]
  for (const [retryAfter, told, seconds] of pauses) {
    test(`Retry-After: ${retryAfter} ${told}`, async () => {
      await using running = await start({ decline: 120_000 })
      const { provider, node, ref } = running
      provider.always(reply(503, 'Maintenance', { 'retry-after': retryAfter }))
      for (let i = 0; i < 3; i++) assert.equal(await node.ask(ref), 'provider_unreachable')
      assert.equal(provider.presented.length, 1)
      const record = await node.store.tokens.read(ref)
      const left = ((record?.notBefore ?? 0) - node.store.now()) / 1000
      assert.ok(left <= seconds && left > seconds - 60, `${left} s`)
    })
  }

  test('a name that does not resolve: nothing was sent, the token is in no doubt, the session lives', async () => {
    // Too long a label: found out on this machine, no name server is asked.
    await using provider = await startRotatingProvider({ tokenEndpoint: `https://${'x'.repeat(64)}.invalid/token` })
    await using node = await startTokenNode(createDeployment(provider), {
      store: createMemoryStore(timingSchema.parse({}).ended),
    })
    const ref = await beginSession(node, provider)
    assert.equal(await node.ask(ref), 'provider_unreachable')
    assert.equal(node.log.find(({ msg }) => msg === 'refresh')?.['outcome'], 'unsent')
    const record = await node.store.tokens.read(ref)
    assert.deepEqual([record?.version, record?.attempt, record?.unanswered], [1, null, 0])
  })
})
