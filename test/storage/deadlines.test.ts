import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { createDeadlines, type Deadlines } from '../../src/storage/deadlines.ts'

const limitMs = 200

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

function create() {
  return createDeadlines(
    limitMs,
    () => new RangeError('late'),
    (cause) => new Error('failed', { cause }),
  )
}

describe('the deadline of store commands', { concurrency: false }, () => {
  test('is kept for a thousand of them by one timer, which goes when they have gone', async () => {
    const deadlines = create()
    const before = timers()
    const finish = Promise.withResolvers<string>()
    const all = Array.from({ length: 1_000 }, () => deadlines.within(finish.promise))
    assert.equal(timers(), before + 1)
    finish.resolve('answer')
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['answer']))
    const began = performance.now()
    while (timers() > before) {
      assert.ok(performance.now() - began < 50 * limitMs, 'it is still there')
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

  test('is for each its own: never early, and a tenth late at most where the machine keeps up', async () => {
    for (let round = 1; !(await areInTime()); round++) assert.ok(round < 10, 'it has never kept up')
  })

  test('is not for a pause of this process, when the answer lies in the socket and is yet to be read', async (t) => {
    const accepted = Promise.withResolvers<Socket>()
    const server = createServer(accepted.resolve).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    t.after(() => client.destroy())
    const peer = await accepted.promise
    const answer = create().within(once(client, 'data'))
    peer.end('answer')
    const began = performance.now()
    while (performance.now() - began < 2 * limitMs); // as garbage collection or a busy machine would
    assert.equal(String(await answer), 'answer')
  })

  test('that has passed is the end of it: what fails later fails for nobody', async () => {
    const deadlines = create()
    const failing = Promise.withResolvers<never>()
    await assert.rejects(deadlines.within(failing.promise), { message: 'failed' })
    failing.reject(new Error('after all'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

/** Whether commands given one after another each failed soon after its limit. */
async function areInTime(): Promise<boolean> {
  const deadlines = create()
  const took: Promise<number>[] = []
  for (let i = 0; i < 5; i++) {
    took.push(untilLate(deadlines))
    await new Promise((resolve) => setTimeout(resolve, limitMs / 7))
  }
  return (await Promise.all(took)).every((ms) => ms < 1.1 * limitMs + 50)
}

async function untilLate(deadlines: Deadlines): Promise<number> {
  const began = performance.now()
  await assert.rejects(
    deadlines.within(new Promise(() => undefined)),
    (error: Error) => error.message === 'failed' && error.cause instanceof RangeError,
  )
  const tookMs = performance.now() - began
  // Timers count whole milliseconds.
  assert.ok(tookMs > limitMs - 1, `${tookMs} ms`)
  return tookMs
}
