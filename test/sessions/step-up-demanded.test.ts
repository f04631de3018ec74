import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createClient } from 'redis'
import { createKeys } from '../../src/storage/keys.ts'
import { createSeal } from '../../src/tokens/seal.ts'
import type { Browser } from '../support/browser.ts'
import { readForm } from '../support/html-form.ts'
import { sha256, startUpstream } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

const demand = 'Bearer error="insufficient_user_authentication"'

let world: World
before(async () => {
  world = await startWorld({ provider: { acrs: ['password', 'two-factors'] } })
})
beforeEach(() => world.upstream.onRequest(() => false))
after(() => world.close())

async function logIn(): Promise<Browser> {
  const browser = world.browser()
  await browser.login()
  return browser
}

/** Answers every request, or those with one of these tokens, with a challenge. */
function challengeWith(challenge: string | string[], status = 401, tokens?: ReadonlySet<string>): void {
  world.upstream.onRequest((request, response) => {
    if (tokens !== undefined && !tokens.has(sha256(request.headers.authorization ?? ''))) return false
    response.writeHead(status, { 'www-authenticate': challenge }).end('from the upstream')
    return true
  })
}

/** Makes the newest login look as old as this. */
async function age(seconds: number): Promise<void> {
  const { redisUrl = '', redisPrefix = '', sessionSecret } = world.options
  const ref = String(world.log.findLast(({ msg }) => msg === 'login_succeeded')?.['ref'])
  const key = createKeys(redisPrefix).tokens(ref)
  const seal = createSeal([String(sessionSecret)])
  const redis = await createClient({ url: redisUrl }).connect()
  const set = JSON.parse(String(seal.open(`tokens ${ref}`, String(await redis.hGet(key, 'set')))))
  set.signedIn.at -= seconds
  set.signedIn.beganAt -= seconds
  await redis.hSet(key, 'set', seal.close(`tokens ${ref}`, JSON.stringify(set)))
  redis.destroy()
}

describe('an upstream that demands another login', () => {
  const long = `${demand}, acr_values="${'x'.repeat(501)}"`
  const demands: [challenge: string | string[], loginUrl: string][] = [
    [`${demand}, acr_values="two-factors"`, '/bff/login?acr_values=two-factors'],
    [`${demand}, acr_values="urn:b urn:c", max_age="10"`, '/bff/login?acr_values=urn%3Ab+urn%3Ac&max_age=10'],
    [`${demand}, max_age=300`, '/bff/login?max_age=300'],
    [`${demand}, error_description="a, b=\\"c\\"", max_age=0`, '/bff/login?max_age=0'],
    ['bearer ERROR = "insufficient_user_authentication" , Max_Age = "7"', '/bff/login?max_age=7'],
    [`Basic realm="Bearer error=x", Negotiate, ${demand}, max_age=8`, '/bff/login?max_age=8'],
    [`${demand}, max_age=6, DPoP error="invalid_token", max_age=5`, '/bff/login?max_age=6'],
    ['Bearer error="insufficient\\_user_authentication", max_age="4"', '/bff/login?max_age=4'],
    [['Basic realm="x"', `${demand}, max_age=9`], '/bff/login?max_age=9'],
    [
      `${demand}, acr_values="a&returnUrl=//evil.example#"`,
      '/bff/login?acr_values=a%26returnUrl%3D%2F%2Fevil.example%23',
    ],
    [demand, '/bff/login?prompt=login'],
    [long, '/bff/login?prompt=login'],
    [`${demand}, acr_values="   "`, '/bff/login?prompt=login'],
    [`${demand}, acr_values="\u00e4", max_age="-1"`, '/bff/login?prompt=login'],
    [`${demand}, max_age="1e3"`, '/bff/login?prompt=login'],
    [`${demand}, max_age="99999999999"`, '/bff/login?prompt=login'],
  ]
  test('is answered by the address of one that would do, whatever the demand looks like', async () => {
    const browser = await logIn()
    await age(1_000)
    for (const [challenge, loginUrl] of demands) {
      challengeWith(challenge)
      for (const init of [{}, { method: 'POST', body: 'once' }]) {
        const before = world.upstream.requests
        const response = await browser.api('/api/x', init)
        const { requestId, ...problem } = await response.json()
        assert.deepEqual(problem, {
          type: 'about:blank',
          title: 'This needs a stronger or a fresher login.',
          status: 401,
          code: 'step_up_required',
          loginUrl,
        })
        assert.equal(typeof requestId, 'string')
        assert.equal(response.status, 401)
        assert.equal(response.headers.get('www-authenticate'), null)
        assert.deepEqual(response.headers.getSetCookie(), [])
        assert.equal(world.upstream.requests, before + 1, 'nothing was repeated')
      }
    }
    assert.equal((await browser.api('/bff/user')).status, 200, 'the session goes on')
  })

  test('has what it wants after that login, and the user is where they were', async () => {
    const browser = await logIn()
    const { authorizationSha256 } = await (await browser.api('/api/x')).json()
    challengeWith(`${demand}, acr_values="two-factors"`, 401, new Set([authorizationSha256]))
    const { loginUrl } = await (await browser.api('/api/x')).json()
    const page = await browser.navigate(`${loginUrl}&returnUrl=/orders`)
    const form = readForm(await page.clone().text(), page.url)
    assert.equal((await browser.finishLogin({ page, form })).url, `${world.origin}/orders`)
    assert.equal((await browser.api('/api/x')).status, 200)
  })

  test('and is not content with what it asked for, sends nobody round in circles', async () => {
    for (const [name, value] of [
      ['acr_values', 'two-factors'],
      ['max_age', '0'],
      ['prompt', 'login'],
    ] as const) {
      const browser = await logIn()
      await age(1_000)
      challengeWith(name === 'prompt' ? demand : `${demand}, ${name}="${value}"`)
      assert.equal((await (await browser.api('/api/x')).json()).code, 'step_up_required', name)
      await browser.finishLogin(await browser.startLogin({ parameters: { [name]: value } }))
      const response = await browser.api('/api/x')
      assert.deepEqual([response.status, (await response.json()).code], [403, 'insufficient_scope'], name)
    }
  })

  test('has the last word where it says so in another way', async () => {
    const browser = await logIn()
    await age(1_000)
    for (const [challenge, status] of [
      [demand, 403],
      ['Bearer error="insufficient_scope"', 401],
      ['DPoP error="insufficient_user_authentication"', 401],
      ['Basic realm="Bearer error=insufficient_user_authentication"', 401],
      ['', 401],
    ] as const) {
      challengeWith(challenge, status)
      const response = await browser.api('/api/x')
      assert.deepEqual([response.status, await response.text()], [status, 'from the upstream'], challenge)
    }
  })

  test('has the last word where nobody is logged in', async () => {
    await using upstream = await startUpstream()
    await using open = await startWorld({
      store: 'memory',
      bff: { routes: [{ path: '/open', upstream: upstream.url, token: 'optional' }] },
    })
    upstream.onRequest((_request, response) => {
      response.writeHead(401, { 'www-authenticate': demand }).end('from the upstream')
      return true
    })
    const response = await open.browser().api('/open')
    assert.deepEqual([response.status, await response.text()], [401, 'from the upstream'])
  })
})
