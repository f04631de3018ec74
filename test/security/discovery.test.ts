import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { BffError } from '../../src/errors.ts'
import { type PublishingIssuer, startPublishingIssuer } from './publishing-issuer.ts'

/** The code of what stops us from knowing the provider, and the sentence in the log. */
async function problem({ provider, log }: PublishingIssuer): Promise<unknown[]> {
  const code = await provider.configuration().then(
    () => 'known',
    (error: unknown) => (error instanceof BffError ? error.code : error),
  )
  return [code, log.find(({ msg }) => msg === 'discovery_failed')?.['problem']]
}

const unreachable = (sentence: string) => ['provider_unreachable', sentence]

describe('what a provider publishes of itself', { concurrency: 4 }, () => {
  test('is taken as it is, with endpoints on any https host', async () => {
    await using issuer = await startPublishingIssuer()
    issuer.metadata = {
      token_endpoint: 'https://tokens.example/token',
      userinfo_endpoint: 'https://api.example:8443/me?v=1',
      something_new: { a: 1 },
    }
    assert.deepEqual(await problem(issuer), ['known', undefined])
  })

  const refused: Record<string, [object, string]> = {
    'another issuer (oidcc-client-test-discovery-issuer-mismatch)': [
      { issuer: 'https://evil.example' },
      'its metadata names another issuer than the one configured',
    ],
    'no issuer': [{ issuer: undefined }, 'its metadata names no issuer'],
    'no authorization endpoint': [{ authorization_endpoint: undefined }, 'its metadata lacks authorization_endpoint'],
    'no token endpoint': [{ token_endpoint: undefined }, 'its metadata lacks token_endpoint'],
    'no keys': [{ jwks_uri: undefined }, 'its metadata lacks jwks_uri'],
    'an authorization endpoint without TLS': [
      { authorization_endpoint: 'http://login.example/auth' },
      'its authorization_endpoint is no https address',
    ],
    'a token endpoint inside our network': [
      { token_endpoint: 'http://169.254.169.254/latest/meta-data/' },
      'its token_endpoint is no https address',
    ],
    'keys at a private address without TLS': [{ jwks_uri: 'http://10.0.0.1/keys' }, 'its jwks_uri is no https address'],
    'an end_session endpoint that is a script': [
      { end_session_endpoint: 'javascript:alert(1)' },
      'its end_session_endpoint is no https address',
    ],
    'a userinfo endpoint with a password in it': [
      { userinfo_endpoint: 'https://user:password@api.example/me' },
      'its userinfo_endpoint is no https address',
    ],
    'a revocation endpoint that is a path': [
      { revocation_endpoint: '/revoke' },
      'its revocation_endpoint is no https address',
    ],
    'a token endpoint that is no text': [
      { token_endpoint: ['https://a.example'] },
      'its token_endpoint is no https address',
    ],
  }
  for (const [name, [metadata, sentence]] of Object.entries(refused)) {
    test(`${name} is refused, in one sentence`, async () => {
      await using issuer = await startPublishingIssuer()
      issuer.metadata = { ...metadata }
      assert.deepEqual(await problem(issuer), unreachable(sentence))
    })
  }

  test('a redirect is not followed', async () => {
    await using other = await startPublishingIssuer()
    await using issuer = await startPublishingIssuer()
    for (const status of [301, 302, 307, 308]) {
      issuer.status = status
      issuer.headers = { location: `${other.issuer}/.well-known/openid-configuration` }
      assert.equal((await problem(issuer))[1], 'its metadata is not answered with 200')
    }
    assert.deepEqual(other.asked, [])
  })

  const impatient = { ask: 200 }
  const answers: Record<string, [Partial<PublishingIssuer>, string, timing?: typeof impatient]> = {
    'an error': [{ status: 500 }, 'its metadata is not answered with 200'],
    'a page': [
      { answer: (_request, response) => answer(response, '<html>welcome</html>', 'text/html') },
      'its metadata is not JSON',
    ],
    'a page that calls itself JSON': [
      { answer: (_request, response) => answer(response, '<html>welcome</html>') },
      'its metadata is not JSON',
    ],
    'a list': [{ answer: (_request, response) => answer(response, '[]') }, 'its metadata names no issuer'],
    'more than a megabyte': [
      { answer: (_request, response) => answer(response, JSON.stringify({ a: 'x'.repeat(1_000_000) })) },
      'it answers with more than a megabyte',
    ],
    'a megabyte that never ends': [
      {
        answer(_request, response) {
          response.writeHead(200, { 'content-type': 'application/json' })
          const more = () => {
            while (response.write(' '.repeat(65_536)));
            response.once('drain', more)
          }
          more()
        },
      },
      'it answers with more than a megabyte',
    ],
    'nothing, ever': [{ answer: () => undefined }, 'it does not answer', impatient],
    'a beginning, and nothing more': [
      {
        answer: (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
      },
      'it does not answer',
      impatient,
    ],
    'a reset': [{ answer: (request) => request.socket.resetAndDestroy() }, 'it does not answer'],
  }
  for (const [name, [change, sentence, timing]] of Object.entries(answers)) {
    test(`${name} in place of metadata is a provider that cannot be reached, soon`, async () => {
      await using issuer = await startPublishingIssuer(timing)
      Object.assign(issuer, change)
      assert.deepEqual(await problem(issuer), unreachable(sentence))
    })
  }
})

describe('metadata that is known', { concurrency: 4 }, () => {
  const endpoint = async ({ provider }: PublishingIssuer) =>
    (await provider.configuration()).serverMetadata().token_endpoint
  const manyTurns = 100_000
  const failures = ({ log }: PublishingIssuer) => log.filter(({ msg }) => msg === 'discovery_failed').length

  test('is fetched once for all who need it at first, and no more while it is young', async () => {
    await using issuer = await startPublishingIssuer()
    await Promise.all(Array.from({ length: 20 }, () => endpoint(issuer)))
    for (let i = 0; i < 20; i++) await endpoint(issuer)
    assert.equal(issuer.asked.length, 1)
  })

  test('is fetched anew in the background when it is old', async () => {
    await using issuer = await startPublishingIssuer({ metadata: 1 })
    const first = await endpoint(issuer)
    issuer.metadata = { token_endpoint: 'https://new.example/token' }
    for (let i = 0; i < manyTurns && (await endpoint(issuer)) === first; i++) await turn()
    assert.equal(await endpoint(issuer), 'https://new.example/token')
  })

  test('serves on while the provider is down, or says what cannot be used, and is not asked for all the time', async () => {
    for (const change of [{ status: 503 }, { metadata: { token_endpoint: 'http://evil.example/' } }]) {
      await using issuer = await startPublishingIssuer({ metadata: 1 })
      const first = await endpoint(issuer)
      Object.assign(issuer, change)
      for (let i = 0; i < manyTurns && failures(issuer) === 0; i++) {
        assert.equal(await endpoint(issuer), first)
        await turn()
      }
      for (let i = 0; i < 100; i++) {
        assert.equal(await endpoint(issuer), first)
        await turn()
      }
      assert.equal(failures(issuer), 1)
    }
  })
})

function answer(response: ServerResponse, body: string, type = 'application/json'): void {
  response.writeHead(200, { 'content-type': type }).end(body)
}
