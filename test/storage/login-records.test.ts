import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stores } from './stores.ts'

const minute = 60_000

for (const [name, open] of Object.entries(stores)) {
  describe(`login records in ${name}`, () => {
    test('a login is taken once', async (t) => {
      const { logins } = await open(t)
      await logins.put('id', 'binder', 'payload', minute)
      assert.equal(await logins.has('id', 'binder'), true)
      assert.equal(await logins.take('id', 'binder'), 'payload')
      assert.equal(await logins.take('id', 'binder'), null)
      assert.equal(await logins.has('id', 'binder'), false)
    })

    test('of many who take it at once one gets it', async (t) => {
      const { logins } = await open(t)
      await logins.put('id', 'binder', 'payload', minute)
      const taken = await Promise.all(Array.from({ length: 20 }, () => logins.take('id', 'binder')))
      assert.equal(taken.filter((payload) => payload === 'payload').length, 1)
    })

    test("another browser's attempt leaves it alone", async (t) => {
      const { logins } = await open(t)
      await logins.put('id', 'binder', 'payload', minute)
      assert.equal(await logins.has('id', 'other'), false)
      assert.equal(await logins.take('id', 'other'), null)
      assert.equal(await logins.take('id', 'binder'), 'payload')
    })

    test('a login is over when its time is', async (t) => {
      const { logins } = await open(t)
      await logins.put('id', 'binder', 'payload', 1)
      while (await logins.has('id', 'binder')) await new Promise((resolve) => setImmediate(resolve))
      assert.equal(await logins.take('id', 'binder'), null)
    })

    test('what is kept of a used login is kept for its time, and is no login', async (t) => {
      const { logins } = await open(t)
      assert.equal(await logins.used('id'), null)
      await logins.put('id', 'binder', 'payload', minute)
      await logins.take('id', 'binder')
      await logins.keepUsed('id', 'kept', minute)
      assert.equal(await logins.used('id'), 'kept')
      assert.equal(await logins.has('id', 'binder'), false)
      assert.equal(await logins.take('id', 'binder'), null)
      await logins.keepUsed('id', 'kept', 0.5)
      while ((await logins.used('id')) !== null) await new Promise((resolve) => setImmediate(resolve))
    })

    test('session records are kept by ref, for their time', async (t) => {
      const { sessions, tokens } = await open(t)
      await tokens.begin('ref', { epoch: 'e', set: 'set', idleMs: minute, absoluteMs: minute })
      await sessions.set('ref', '{"a":1}', { expiration: { type: 'EX', value: 60 } })
      assert.equal(await sessions.get('ref'), '{"a":1}')
      await sessions.expire('ref', 30)
      assert.equal(await sessions.get('ref'), '{"a":1}')
      assert.equal(await sessions.del(['ref']), 1)
      assert.equal(await sessions.get('ref'), null)
      assert.equal(await sessions.del(['ref']), 0)
    })
  })
}
