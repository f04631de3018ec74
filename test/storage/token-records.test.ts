import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../src/storage/store.ts'
import { stores } from './stores.ts'

const minute = 60_000
const leaseMs = 10_000

const text = () => randomBytes(9).toString('base64url')

/** A session that has just begun, and the operations of a flight on it. */
async function session(store: Store) {
  const ref = text()
  const epoch = text()
  const begun = await store.tokens.begin(ref, { epoch, set: 'set-1', idleMs: minute, absoluteMs: 10 * minute })
  assert.equal(begun, 'begun')
  const flight = (id: string, version = 1) => ({
    acquire: (over: object = {}) =>
      store.tokens.acquire(ref, { id, epoch, version, doubt: null, open: false, leaseMs, ...over }),
    mark: (unanswered = 1, previous: string | null = null, lease = leaseMs) =>
      store.tokens.mark(ref, { id, epoch, version, previous, unanswered, leaseMs: lease, renewal: false }),
    replace: (set: string, unanswered = 1) => store.tokens.replace(ref, { id, epoch, version, unanswered, set }),
    release: (left: number, backoffMs = 0, declined = 0) =>
      store.tokens.release(ref, { id, epoch, version, left, declined, backoffMs }),
    end: () => store.tokens.end(ref, 'refused', { id, epoch, version }),
  })
  return { ref, epoch, flight, read: () => store.tokens.read(ref) }
}

for (const [name, open] of Object.entries(stores)) {
  const claim = (sentence: string, prove: (store: Store, t: TestContext) => Promise<void>) =>
    test(sentence, async (t) => prove(await open(t), t))

  describe(`token records in ${name}`, { concurrency: true }, () => {
    claim('a record begins with version 1 and in no doubt', async (store) => {
      const { epoch, read } = await session(store)
      const record = await read()
      assert.deepEqual(
        { ...record, extendedAt: 0 },
        {
          set: 'set-1',
          epoch,
          version: 1,
          attempt: null,
          unanswered: 0,
          beat: 0,
          declined: 0,
          notBefore: 0,
          extendedAt: 0,
        },
      )
      assert.ok(Math.abs((record?.extendedAt ?? 0) - store.now()) < minute / 2)
    })

    claim('a record begins once, and never again after its session has ended', async (store) => {
      const { ref, epoch } = await session(store)
      const again = () => store.tokens.begin(ref, { epoch, set: 'x', idleMs: minute, absoluteMs: minute })
      assert.equal(await again(), 'exists')
      await store.tokens.end(ref, 'logout', null)
      assert.equal(await again(), 'exists')
      assert.equal(await store.tokens.read(ref), null)
    })

    claim('a flight acquires, marks and replaces; the record is then a version on and in no doubt', async (store) => {
      const { flight, read } = await session(store)
      const one = flight('one')
      assert.equal((await one.acquire()).is, 'acquired')
      assert.deepEqual(await one.mark(), { is: 'marked' })
      assert.equal((await read())?.attempt, 'one')
      assert.deepEqual(await one.replace('set-2'), { is: 'stored' })
      const record = await read()
      assert.deepEqual([record?.set, record?.version, record?.attempt, record?.unanswered], ['set-2', 2, null, 0])
    })

    claim(
      'a set is rewritten as often as it is asked for, and only where it is the one that was read',
      async (store) => {
        const { ref, flight, read } = await session(store)
        const before = await read()
        const rewrite = (from: string, to: string) => store.tokens.rewriteSet(ref, { before: from, after: to })
        assert.equal(await rewrite('set-1', 'set-1b'), 'written')
        assert.equal(await rewrite('set-1', 'set-1b'), 'written', 'a repetition tells what became of it')
        assert.equal(await rewrite('set-1', 'set-1c'), 'changed')
        assert.deepEqual(await read(), { ...before, set: 'set-1b' })
        await flight('one').acquire()
        await flight('one').mark()
        assert.equal(await rewrite('set-1b', 'set-1d'), 'written', 'a flight does not mind')
        assert.deepEqual(await flight('one').replace('set-2'), { is: 'stored' })
        assert.equal(await rewrite('set-1d', 'set-1e'), 'changed')
        assert.equal((await read())?.set, 'set-2')
        await store.tokens.end(ref, 'logout', null)
        assert.equal(await rewrite('set-2', 'set-2b'), 'changed')
        assert.equal(await read(), null)
      },
    )

    claim('a second flight finds the lease busy, and free once the first has stored', async (store) => {
      const { flight } = await session(store)
      await flight('one').acquire()
      const busy = await flight('two').acquire()
      assert.ok(busy.is === 'busy' && busy.forMs > 0 && busy.forMs <= leaseMs)
      await flight('one').mark()
      await flight('one').replace('set-2')
      const changed = await flight('two').acquire()
      assert.ok(changed.is === 'changed' && changed.record.set === 'set-2')
      assert.equal((await flight('two', 2).acquire()).is, 'acquired')
    })

    claim('acquire repeated by its own flight is acquired again', async (store) => {
      const { flight } = await session(store)
      await flight('one').acquire()
      assert.equal((await flight('one').acquire()).is, 'acquired')
    })

    claim('another epoch of the same version is another record', async (store) => {
      const { flight } = await session(store)
      assert.equal((await flight('one').acquire({ epoch: 'stranger' })).is, 'changed')
    })

    claim('a token marked by another is in doubt until its beat has been seen and stands still', async (store) => {
      const { flight } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(1, null, 1)
      await leaseLapsed(flight('two').acquire)
      assert.deepEqual(await flight('two').acquire(), { is: 'doubt', doubt: { attempt: 'one', beat: 0 } })
      await flight('one').mark(1, null, 1) // it lives after all
      await leaseLapsed(() => flight('two').acquire({ doubt: { attempt: 'one', beat: 0 } }))
      assert.deepEqual(await flight('two').acquire({ doubt: { attempt: 'one', beat: 0 } }), {
        is: 'doubt',
        doubt: { attempt: 'one', beat: 1 },
      })
      const acquired = await flight('two').acquire({ doubt: { attempt: 'one', beat: 1 } })
      assert.ok(acquired.is === 'acquired' && acquired.record.attempt === 'one' && acquired.record.unanswered === 1)
    })

    claim('a late acquire takes the lease and leaves no doubt behind', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      assert.equal((await read())?.attempt, null)
    })

    claim('a mark without the lease is lost', async (store) => {
      const { flight } = await session(store)
      assert.deepEqual(await flight('one').mark(), { is: 'lost' })
      await flight('two').acquire()
      assert.deepEqual(await flight('one').mark(), { is: 'lost' })
    })

    claim('a mark over an attempt that acquire did not show is lost', async (store) => {
      const { flight } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(1, null, 1)
      await leaseLapsed(flight('two').acquire)
      await flight('two').acquire({ doubt: { attempt: 'one', beat: 0 } })
      assert.deepEqual(await flight('two').mark(2, null), { is: 'lost' })
      assert.deepEqual(await flight('two').mark(2, 'one'), { is: 'marked' })
    })

    claim('a mark repeated is a renewal: it moves the beat and takes the lapsed lease back', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(1, null, 1)
      await leaseLapsed(flight('two').acquire)
      assert.deepEqual(await flight('one').mark(), { is: 'marked' })
      assert.equal((await read())?.beat, 1)
      assert.equal((await flight('two').acquire()).is, 'busy')
    })

    claim('a late mark of the first presentation does not hide the second', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(2)
      await flight('one').mark(1)
      assert.equal((await read())?.unanswered, 2)
    })

    claim('a replace repeated is stored, and is not a stranger to itself', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      await flight('one').replace('set-2')
      assert.deepEqual(await flight('one').replace('set-2'), { is: 'stored' })
      assert.equal((await read())?.version, 2)
    })

    claim('a replace needs no lease', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(1, null, 1)
      await leaseLapsed(flight('two').acquire)
      assert.deepEqual(await flight('one').replace('set-2'), { is: 'stored' })
      assert.equal((await read())?.set, 'set-2')
    })

    claim('of two answered presentations of one token the later one stands, whichever comes first', async (store) => {
      for (const order of ['first wins the race', 'second wins the race']) {
        const { flight, read } = await session(store)
        await flight('one').acquire()
        await flight('one').mark(1, null, 1)
        await leaseLapsed(flight('two').acquire)
        await flight('two').acquire({ doubt: { attempt: 'one', beat: 0 } })
        await flight('two').mark(2, 'one')
        const first = () => flight('one').replace('from-1', 1)
        const second = () => flight('two').replace('from-2', 2)
        const replies = order.startsWith('first') ? [await first(), await second()] : [await second(), await first()]
        assert.equal((await read())?.set, 'from-2', order)
        assert.equal(replies.at(-1)?.is, order.startsWith('first') ? 'stored' : 'stale', order)
      }
    })

    claim('of three answered presentations the third stands, though the first two are written', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      for (const [id, n] of [
        ['one', 1],
        ['two', 2],
        ['three', 3],
      ] as const)
        await flight(id).replace(`from-${n}`, n)
      assert.equal((await read())?.set, 'from-3')
    })

    claim('an older presentation of a later token is not overwritten by one of an earlier token', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      await flight('one').replace('set-2')
      await flight('two', 2).acquire()
      await flight('two', 2).mark()
      await flight('two', 2).replace('set-3')
      assert.equal((await flight('late', 1).replace('set-late', 9)).is, 'stale')
      assert.equal((await read())?.set, 'set-3')
    })

    claim('a replace after the end is told why, and stores nothing', async (store) => {
      const { ref, flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      await store.tokens.end(ref, 'logout', null)
      assert.deepEqual(await flight('one').replace('set-2'), { is: 'gone', reason: 'logout' })
      assert.equal(await read(), null)
    })

    claim('released with nothing left unanswered, the token is in no doubt, after its back-off', async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      await flight('one').release(0, minute, 3)
      const record = await read()
      assert.deepEqual([record?.attempt, record?.unanswered, record?.declined], [null, 0, 3])
      const later = await flight('two').acquire()
      assert.ok(later.is === 'later' && later.forMs > 50_000 && later.forMs <= minute)
    })

    claim(
      'released without a back-off, the token may be presented at once, whatever the time is thought to be',
      async (store) => {
        const { flight, read } = await session(store)
        for (const [backoffMs, isPut] of [
          [0, false],
          [1, true],
          [0, false],
        ] as const) {
          while ((await flight('one').acquire()).is !== 'acquired');
          await flight('one').mark()
          await flight('one').release(0, backoffMs)
          assert.equal((await read())?.notBefore !== 0, isPut)
        }
      },
    )

    claim('released in doubt, the token waits for an open gate, and needs no grace', async (store) => {
      const { flight } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(2)
      await flight('one').release(2)
      assert.deepEqual(await flight('two').acquire(), { is: 'later', forMs: 0 })
      const acquired = await flight('two').acquire({ open: true })
      assert.ok(acquired.is === 'acquired' && acquired.record.attempt === '-' && acquired.record.unanswered === 2)
    })

    claim("a late release frees neither another's lease nor another's attempt", async (store) => {
      const { flight, read } = await session(store)
      await flight('one').acquire()
      await flight('one').mark(1, null, 1)
      await leaseLapsed(flight('two').acquire)
      await flight('two').acquire({ doubt: { attempt: 'one', beat: 0 } })
      await flight('two').mark(2, 'one')
      await flight('one').release(0)
      assert.equal((await read())?.attempt, 'two')
      assert.equal((await flight('three').acquire()).is, 'busy')
    })

    claim('an end deletes record and session, and hands out what is to be revoked, again and again', async (store) => {
      const { ref, read } = await session(store)
      await store.sessions.set(ref, '{}', { expiration: { type: 'EX', value: 60 } })
      assert.deepEqual(await store.tokens.end(ref, 'logout', null), { is: 'ended', reason: 'logout', set: 'set-1' })
      assert.equal(await read(), null)
      assert.equal(await store.sessions.get(ref), null)
      assert.deepEqual(await store.tokens.end(ref, 'replaced', null), { is: 'already', reason: 'logout', set: 'set-1' })
      await store.tokens.forget(ref)
      assert.deepEqual(await store.tokens.end(ref, 'logout', null), { is: 'already', reason: 'logout', set: null })
    })

    claim('a session record is written for a session that exists, and for no other', async (store) => {
      const { ref } = await session(store)
      const write = () => store.sessions.set(ref, 'a', { expiration: { type: 'EX', value: 60 } })
      assert.equal(await write(), 'written')
      assert.equal(await write(), 'written', 'repeated')
      await store.tokens.end(ref, 'logout', null)
      assert.equal(await write(), 'gone')
      assert.equal(await store.sessions.get(ref), null)
    })

    claim('a session record is rewritten for the flight whose set stands, and keeps its lifetime', async (store) => {
      const { ref, flight } = await session(store)
      const rewrite = (by: string, before: string, after: string) =>
        store.tokens.rewriteSession(ref, { by, before, after })
      const stored = async (id: string, version: number) => {
        await flight(id, version).acquire()
        await flight(id, version).mark()
        await flight(id, version).replace(`set-of-${id}`)
      }
      await store.sessions.set(ref, 'a', { expiration: { type: 'EX', value: 60 } })
      assert.equal(await rewrite('one', 'a', 'b'), 'changed', 'nothing of that flight stands')
      await stored('one', 1)
      assert.equal(await rewrite('one', 'x', 'b'), 'changed', 'somebody else wrote it')
      assert.equal(await rewrite('one', 'a', 'b'), 'written')
      assert.equal(await rewrite('one', 'a', 'b'), 'written', 'repeated')
      await stored('two', 2)
      assert.equal(await rewrite('one', 'b', 'c'), 'changed', 'overtaken')
      assert.equal(await store.sessions.get(ref), 'b')
      await store.sessions.expire(ref, 2)
      assert.equal(await rewrite('two', 'b', 'c'), 'written')
      await until(async () => (await store.sessions.get(ref)) === null)
    })

    claim('a session record that has gone is not written again', async (store) => {
      const { ref, flight } = await session(store)
      await flight('one').acquire()
      await flight('one').mark()
      await flight('one').replace('set-2')
      assert.equal(await store.tokens.rewriteSession(ref, { by: 'one', before: 'a', after: 'b' }), 'changed')
      await store.sessions.set(ref, 'a', { expiration: { type: 'EX', value: 60 } })
      await store.tokens.end(ref, 'logout', null)
      assert.equal(await store.tokens.rewriteSession(ref, { by: 'one', before: 'a', after: 'b' }), 'changed')
      assert.equal(await store.sessions.get(ref), null)
    })

    claim('ending what never was says so', async (store) => {
      assert.deepEqual(await store.tokens.end(text(), 'logout', null), { is: 'none' })
    })

    claim(
      'a refusal ends the session only for the flight whose attempt it is, at the version it presented',
      async (store) => {
        const { flight, read } = await session(store)
        assert.deepEqual(await flight('one').end(), { is: 'notMine' })
        await flight('one').acquire()
        await flight('one').mark()
        assert.deepEqual(await flight('two').end(), { is: 'notMine' })
        assert.deepEqual(await flight('one', 7).end(), { is: 'notMine' })
        assert.notEqual(await read(), null)
        assert.equal((await flight('one').end()).is, 'ended')
        assert.equal((await flight('one').end()).is, 'ended', 'repeated, it tells what became of the first')
        assert.equal((await flight('two').end()).is, 'notMine')
      },
    )

    claim('sliding pushes the idle limit out, never past the absolute one', async (store) => {
      const ref = text()
      await store.tokens.begin(ref, { epoch: 'e', set: 's', idleMs: minute, absoluteMs: 3 * minute })
      const left = async (slide?: number) => {
        const remaining = await store.tokens.remaining(ref, slide)
        assert.ok(remaining.is === 'remaining')
        return remaining
      }
      near((await left()).idleMs, minute)
      near((await left(2 * minute)).idleMs, 2 * minute)
      const capped = await left(9 * minute)
      near(capped.idleMs, 3 * minute)
      near(capped.absoluteMs, 3 * minute)
      assert.deepEqual(await store.tokens.remaining(text(), minute), { is: 'gone', reason: 'expired' })
    })

    claim('sliding is done once in a while, though many ask at the same time', async (store) => {
      const ref = text()
      await store.tokens.begin(ref, { epoch: 'e', set: 's', idleMs: minute, absoluteMs: 9 * minute })
      const extendedAt = async () => (await store.tokens.read(ref))?.extendedAt ?? 0
      const first = await extendedAt()
      const slide = (onceInMs: number) => store.tokens.remaining(ref, 2 * minute, onceInMs)
      await pause(50)
      await Promise.all([slide(minute), slide(minute)])
      assert.equal(await extendedAt(), first)
      await slide(20)
      const second = await extendedAt()
      assert.ok(second >= first + 20)
      const left = await slide(minute)
      assert.ok(left.is === 'remaining' && left.idleMs > minute)
      assert.equal(await extendedAt(), second)
    })

    claim(
      'a record goes when nothing is left to spend, whatever is used, unless a refresh brings more',
      async (store) => {
        const ref = text()
        const left = async (slideMs?: number) => {
          const remaining = await store.tokens.remaining(ref, slideMs)
          assert.ok(remaining.is === 'remaining')
          return remaining
        }
        const at = store.now()
        await store.tokens.begin(ref, {
          epoch: 'e',
          set: 's',
          idleMs: 4 * minute,
          absoluteMs: 9 * minute,
          grantEndsAt: at + minute,
        })
        near((await left()).idleMs, minute)
        near((await left(4 * minute)).idleMs, minute)
        near((await left()).absoluteMs, minute)
        near((await left()).longestMs, 9 * minute)
        const flight = (version: number) => ({ id: text(), epoch: 'e', version, unanswered: 1, set: 's' })
        await store.tokens.replace(ref, { ...flight(1), grantEndsAt: at + 2 * minute })
        near((await left()).idleMs, 2 * minute)
        near((await left()).absoluteMs, 2 * minute)
        await store.tokens.replace(ref, flight(2))
        near((await left()).idleMs, 4 * minute)
        near((await left()).absoluteMs, 9 * minute)
        await store.tokens.replace(ref, { ...flight(3), grantEndsAt: at + 1 })
        await until(async () => (await store.tokens.read(ref)) === null)
      },
    )

    claim('a record is over when its idle limit is', async (store) => {
      const ref = text()
      await store.tokens.begin(ref, { epoch: 'e', set: 's', idleMs: 1, absoluteMs: minute })
      await until(async () => (await store.tokens.read(ref)) === null)
      assert.deepEqual(await store.tokens.remaining(ref, minute), { is: 'gone', reason: 'expired' })
    })

    claim('the channel tells of stores, failures and ends', async (store) => {
      const { ref, flight } = await session(store)
      const heard: object[] = []
      const all = Promise.withResolvers<void>()
      const stop = store.onChange((change) => {
        if ('ref' in change && change.ref === ref) heard.push(change)
        if (heard.length === 3) all.resolve()
      })
      await subscribed(store)
      await flight('one').acquire()
      await flight('one').mark()
      await flight('one').release(1)
      await flight('two').acquire({ open: true })
      await flight('two').mark(2, '-')
      await flight('two').replace('set-2')
      await store.tokens.end(ref, 'logout', null)
      await all.promise
      stop()
      assert.deepEqual(heard, [
        { is: 'failed', ref, left: 1 },
        { is: 'stored', ref },
        { is: 'ended', ref, reason: 'logout' },
      ])
    })
  })
}

/** Whether a life is the one expected and not a minute more or less, however slow the machine is. */
function near(ms: number, expected: number): void {
  assert.ok(Math.abs(ms - expected) < minute / 3, `${ms}`)
}

/** Waits until a lease of a millisecond is over. */
async function leaseLapsed(acquire: () => Promise<{ is: string }>): Promise<void> {
  await until(async () => (await acquire()).is !== 'busy')
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(5)
}

/** A subscription is made in the background: sends a change of another session round until it is heard. */
async function subscribed(store: Store): Promise<void> {
  let heard = false
  const stop = store.onChange(() => (heard = true))
  await until(async () => {
    const ref = text()
    await store.tokens.begin(ref, { epoch: 'e', set: 's', idleMs: minute, absoluteMs: minute })
    await store.tokens.end(ref, 'logout', null)
    return heard
  })
  stop()
}
