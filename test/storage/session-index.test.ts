import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { SessionIndex } from '../../src/storage/session-index.ts'
import { heapUsed } from '../support/heap.ts'
import { stores } from './stores.ts'

const minute = 60_000

/** Waits for what only time brings about; the file's time limit is the limit. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

for (const [name, open] of Object.entries(stores)) {
  for (const index of ['subjects', 'sids'] as const) {
    describe(`the index of ${index} in ${name}`, () => {
      test('names the sessions of one owner, oldest first', async (t) => {
        const { [index]: sessions } = await open(t)
        for (const ref of ['b', 'a', 'c']) await sessions.began('alice', ref, minute)
        await sessions.began('bob', 'd', minute)
        assert.deepEqual(await sessions.list('alice'), ['b', 'a', 'c'])
        assert.equal((await sessions.newest('alice'))?.ref, 'c')
        assert.deepEqual(await sessions.list('bob'), ['d'])
        assert.deepEqual([await sessions.list('carol'), await sessions.newest('carol')], [[], null])
      })

      test('forgets what has ended, and only that', async (t) => {
        const { [index]: sessions } = await open(t)
        for (const ref of ['a', 'b', 'c']) await sessions.began('alice', ref, minute)
        await sessions.ended('alice', ['a', 'c', 'unknown'])
        await sessions.ended('alice', [])
        await sessions.ended('nobody', ['a'])
        assert.deepEqual(await sessions.list('alice'), ['b'])
        assert.equal((await sessions.newest('alice'))?.ref, 'b')
        await sessions.ended('alice', ['b'])
        assert.deepEqual(await sessions.list('alice'), [])
      })

      test('remembers that somebody was logged out without keeping a name of any length', async (t) => {
        const { [index]: sessions } = await open(t)
        const before = heapUsed()
        for (let i = 0; i < 300; i++) await sessions.loggedOut(randomBytes(50_000).toString('hex'), i, minute)
        const grown = heapUsed() - before
        assert.ok(grown < 10_000_000, `${grown} bytes`)
      })

      test('an entry may be made twice', async (t) => {
        const { [index]: sessions } = await open(t)
        for (const ref of ['a', 'b', 'a']) await sessions.began('alice', ref, minute)
        assert.deepEqual(await sessions.list('alice'), ['b', 'a'])
      })

      test('drops an entry when the longest life is over, at the next login or by itself', async (t) => {
        const { [index]: sessions } = await open(t)
        await sessions.began('alice', 'short', 1)
        await sessions.began('alice', 'long', minute)
        await until(async () => {
          await sessions.began('alice', 'later', minute)
          return (await sessions.list('alice')).length === 2
        })
        assert.deepEqual(await sessions.list('alice'), ['long', 'later'])
        await sessions.began('bob', 'only', 1)
        await until(async () => (await sessions.newest('bob')) === null)
      })

      test('a login under a shorter limit hides no session that began under a longer one', async (t) => {
        const { [index]: sessions } = await open(t)
        await sessions.began('alice', 'long', minute)
        await sessions.began('alice', 'short', 1)
        await outlived(sessions, 1)
        assert.ok((await sessions.list('alice')).includes('long'))
      })

      test('a login under a shorter limit is the newest all the same', async (t) => {
        const { [index]: sessions } = await open(t)
        let before = 0
        for (const [ref, life] of Object.entries({ b: minute, c: 1_000 * minute, d: 5 * minute, a: 4 * minute })) {
          await sessions.began('alice', ref, life)
          const newest = await sessions.newest('alice')
          assert.ok(newest !== null && newest.ref === ref && newest.place > before)
          before = newest.place
        }
        assert.deepEqual(await sessions.list('alice'), ['b', 'c', 'd', 'a'])
        await sessions.ended('alice', ['a'])
        assert.ok(((await sessions.newest('alice'))?.place ?? 0) < before)
      })

      test('notes the latest logout of an owner, for its time', async (t) => {
        const { [index]: sessions } = await open(t)
        assert.equal(await sessions.loggedOutAt('alice'), null)
        for (const at of [1_700_000_000, 1_800_000_000, 1_750_000_000]) await sessions.loggedOut('alice', at, minute)
        assert.equal(await sessions.loggedOutAt('alice'), 1_800_000_000)
        assert.equal(await sessions.loggedOutAt('bob'), null)
        assert.deepEqual(await sessions.list('alice'), [], 'the note is no session')
        await sessions.loggedOut('bob', 1_800_000_000, 1)
        await until(async () => (await sessions.loggedOutAt('bob')) === null)
      })

      test('owners may have names of any length and script', async (t) => {
        const { [index]: sessions } = await open(t)
        const owners = ['', ' ', 'a\0b', 'a:b', '{a}', 'Ålice 🎩', 'x'.repeat(10_000), `${'x'.repeat(10_000)}y`]
        for (const [number, owner] of owners.entries()) await sessions.began(owner, String(number), minute)
        for (const [number, owner] of owners.entries()) assert.deepEqual(await sessions.list(owner), [String(number)])
      })
    })
  }

  describe(`the indexes in ${name}`, () => {
    test('do not know of each other', async (t) => {
      const { subjects, sids } = await open(t)
      await subjects.began('same', 'a', minute)
      await subjects.loggedOut('same', 1, minute)
      assert.deepEqual([await sids.list('same'), await sids.loggedOutAt('same')], [[], null])
    })
  })

  describe(`logout tokens in ${name}`, () => {
    test('one is put once, however many put it', async (t) => {
      const { logoutTokens } = await open(t)
      assert.equal(await logoutTokens.has('id'), false)
      const put = await Promise.all(Array.from({ length: 8 }, () => logoutTokens.put('id', minute)))
      assert.equal(put.filter(Boolean).length, 1)
      assert.equal(await logoutTokens.has('id'), true)
      assert.equal(await logoutTokens.has('other'), false)
    })

    test('one is forgotten when its time is over', async (t) => {
      const { logoutTokens } = await open(t)
      await logoutTokens.put('id', 1)
      await until(async () => !(await logoutTokens.has('id')))
      assert.equal(await logoutTokens.put('id', minute), true)
    })
  })
}

/** Until an entry of this life would have been dropped. */
async function outlived(sessions: SessionIndex, lifeMs: number): Promise<void> {
  await sessions.began('witness', 'one', lifeMs)
  await until(async () => (await sessions.list('witness')).length === 0)
}
