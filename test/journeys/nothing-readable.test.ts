import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRedis } from '../support/redis.ts'
import { recordSecret } from '../support/secrets.ts'
import { startWorld } from '../support/world.ts'

test('whoever gets hold of Redis reads no token, no cookie, no session id, no state and no code verifier', async () => {
  const secrets: string[] = []
  await using redis = await startRedis()
  await using world = await startWorld({
    redisUrl: redis.url,
    provider: {
      onToken({ kind, value }) {
        if (kind !== 'code') recordSecret(kind, value)
        secrets.push(value)
      },
    },
  })
  const browser = world.browser()
  await browser.login()
  await browser.api('/api/x')
  const pending = world.browser()
  await pending.startLogin()
  const other = world.browser()
  await other.login('bob')
  await other.api('/bff/logout', { method: 'POST' })

  const { cookies: kept } = pending
  const cookies = [...browser.cookies.values(), ...kept.values()].map(({ value }) => decodeURIComponent(value))
  const ids = cookies.flatMap((cookie) => cookie.replace(/^s:/, '').split('.'))
  const states = [browser, other, pending].flatMap(({ visits }) =>
    visits.map(({ url }) => new URL(url).searchParams.get('state') ?? ''),
  )
  const dump = await redis.dump()
  assert.ok(
    dump.includes(':session') && dump.includes(':tokens') && dump.includes('login:'),
    'the dump has our records',
  )
  const { sessionSecret, clientSecret } = world.options
  for (const secret of [...secrets, ...cookies, ...ids, ...states, String(sessionSecret), String(clientSecret)]) {
    if (secret.length >= 16) assert.equal(dump.includes(secret), false, `${secret.slice(0, 6)}... is readable`)
  }
  // The pending login's verifier and nonce are known to nobody but the server: their names would give them away.
  for (const name of ['odeVerifier', 'code_verifier', 'nonce', 'returnUrl'])
    assert.equal(dump.includes(name), false, name)
  assert.ok(secrets.length >= 8)
})

test('every key has a lifetime', async () => {
  await using redis = await startRedis()
  await using world = await startWorld({ redisUrl: redis.url })
  const browser = world.browser()
  await browser.login()
  await browser.api('/api/x')
  await world.browser().startLogin()
  const { createClient } = await import('redis')
  const client = await createClient({ url: redis.url }).connect()
  const keys = await client.keys('*')
  assert.ok(keys.length >= 3)
  // -1: it has none. -2: it has just run out.
  for (const key of keys) assert.notEqual(await client.pTTL(key), -1, key)
  client.destroy()
})
