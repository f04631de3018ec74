import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { patientTiming } from '../support/patient-timing.ts'
import { startRedis } from '../support/redis.ts'
import { startWorld } from '../support/world.ts'
import { createLogoutIssuer, postLogoutToken } from './logout-issuer.ts'

/** What is done to a Redis so that it answers and refuses, and how that is taken back. */
const refusals: Record<string, { begin: string[][]; end: string[] }> = {
  'every write (READONLY)': { begin: [['REPLICAOF', '127.0.0.1', '1']], end: ['REPLICAOF', 'NO', 'ONE'] },
  'every command (MASTERDOWN)': {
    begin: [
      ['CONFIG', 'SET', 'replica-serve-stale-data', 'no'],
      ['REPLICAOF', '127.0.0.1', '1'],
    ],
    end: ['REPLICAOF', 'NO', 'ONE'],
  },
  'every command (NOPERM)': {
    begin: [['ACL', 'SETUSER', 'default', '-@all', '+acl', '+hello', '+ping']],
    end: ['ACL', 'SETUSER', 'default', '+@all'],
  },
  'every script (NOPERM)': {
    begin: [['ACL', 'SETUSER', 'default', '-evalsha', '-eval']],
    end: ['ACL', 'SETUSER', 'default', '+@all'],
  },
}

describe('a Redis that answers, and refuses', { concurrency: 2 }, () => {
  for (const [what, { begin, end }] of Object.entries(refusals)) {
    test(`S-15: ${what} changes nothing for anybody, and all is well when it takes them again`, async () => {
      await using redis = await startRedis()
      const issuer = await createLogoutIssuer()
      const timing = { ...patientTiming, retry: 20, storeBudget: 100 }
      await using world = await startWorld({ ...issuer.world, redisUrl: redis.url, bff: { timing } })
      const browser = world.browser()
      await browser.login()
      const begun = await browser.startLogin({ parameters: { prompt: 'login' } })
      const logoutToken = await issuer.token()
      const cookies = new Map([...browser.cookies].map(([name, { value }]) => [name, value]))
      const admin = await createClient({ url: redis.url }).connect()
      for (const command of begin) await admin.sendCommand(command)

      const asEventSource = { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' }
      const mayBeServed = [
        await browser.api('/api/x'),
        await browser.api('/bff/user?slide=false'),
        await browser.api('/bff/sessions'),
        await browser.request('/bff/events', { headers: asEventSource }),
      ]
      const unavailable = [
        await browser.api('/bff/user'),
        await browser.api('/bff/logout', { method: 'POST' }),
        await browser.finishLogin(begun),
        await postLogoutToken(world, logoutToken),
        await fetch(`${world.origin}/bff/frontchannel?iss=${world.provider.issuer}&sid=unknown`),
      ]
      for (const { status, url } of mayBeServed) assert.ok(status === 200 || status === 503, `${url}: ${status}`)
      for (const { status, url } of unavailable) assert.equal(status, 503, url)
      for (const { headers, body } of [...mayBeServed, ...unavailable]) {
        assert.deepEqual(headers.getSetCookie(), [])
        await body?.cancel()
      }
      assert.deepEqual(new Map([...browser.cookies].map(([name, { value }]) => [name, value])), cookies)

      await admin.sendCommand(end)
      admin.destroy()
      assert.equal((await browser.api('/bff/user')).status, 200)
      assert.equal((await postLogoutToken(world, logoutToken)).status, 200)
      assert.equal((await browser.api('/bff/user')).status, 401)
    })
  }
})
