import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { rawRequest } from '../support/raw-request.ts'
import { formsByFamily } from './payload-forms.ts'
import families from './payloads/callback.json' with { type: 'json' }
import { startUserOnHttps, type UserOnHttps } from './user-on-https.ts'

describe('what comes to the callback', () => {
  let user: UserOnHttps
  before(async () => {
    user = await startUserOnHttps({ loginsPerMinute: 10_000 })
  })
  after(() => user[Symbol.asyncDispose]())

  for (const [family, forms] of formsByFamily(families)) {
    test(`C6: makes no session, asks the provider for nothing and is not repeated: ${family}`, async () => {
      const { code_grant: codes } = user.world.provider.counts
      // What HTTP cannot say at all never gets as far as the callback.
      for (const query of forms.filter((one) => /^[\x21-\x7e]*$/.test(one))) {
        for (const cookie of [user.cookie, '__Host-bff-login-AAAAAAAAAAAA=x']) {
          const headers = { cookie, accept: 'text/html', 'sec-fetch-site': 'cross-site' }
          const answer = await rawRequest(user.world.origin, 'GET', `/bff/callback?${query}`, headers)
          assert.equal(answer.status, 400, query)
          assert.match(answer.body, /<dt>Code<\/dt><dd>(login_failed|bad_request)<\/dd>/)
          assert.doesNotMatch(answer.body, /alert|planted|evil/, query)
          for (const line of answer.headers.getSetCookie()) assert.doesNotMatch(line, /^__Host-bff=/, query)
          assert.equal(answer.headers.get('x-injected'), null, query)
        }
      }
      assert.equal(user.world.provider.counts.code_grant, codes)
      assert.equal((await user.browser.api('/bff/user')).status, 200)
    })
  }
})
