import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { type OwnRedis, startRedis } from '../support/redis.ts'
import { startRelay } from '../support/relay.ts'
import { hang } from './exchange.ts'
import { startRotatingProvider } from './rotating-provider.ts'
import {
  askUntilSettled,
  beginSession,
  createDeployment,
  said,
  startTokenNode,
  type TokenNodeOptions,
  until,
} from './token-node.ts'

/** A primary with a replica, and the address that nodes know, which is led from one to the other. */
async function begin(options: TokenNodeOptions = {}) {
  await using started = new AsyncDisposableStack()
  const primary = started.use(await startRedis())
  const replica = started.use(await startRedis(['--replicaof', '127.0.0.1', String(primary.port)]))
  const relay = started.use(await startRelay({ target: { host: '127.0.0.1', port: primary.port } }))
  const provider = started.use(await startRotatingProvider())
  const deployment = createDeployment(provider, { redisUrl: `redis://127.0.0.1:${relay.port}` })
  const a = started.use(await startTokenNode(deployment, options))
  const b = started.use(await startTokenNode(deployment, options))
  const ref = await beginSession(a, provider)
  const bystander = await beginSession(a, provider, 'bob')
  const on = async ({ url }: OwnRedis, ...words: string[]): Promise<string> => {
    const client = createClient({ url })
    await client.connect()
    try {
      return String(await client.sendCommand(words))
    } finally {
      client.destroy()
    }
  }
  const onReplica = (...words: string[]) => on(replica, ...words)
  const holds = (key: string, field: string, value: string) =>
    until(async () => {
      const [name = ''] = (await onReplica('KEYS', key)).split(',')
      return name !== '' && (await onReplica('HGET', name, field)) === value
    })
  await holds(`*{${bystander}}:tokens`, 'version', '1')

  const all = started.move()
  return {
    provider,
    a,
    b,
    ref,
    bystander,
    /** Waits until the replica has a version of the session. */
    replicated: (version: number) => holds(`*{${ref}}:tokens`, 'version', String(version)),
    /** What the primary confirms from now on, the replica does not get. */
    stopReplication: () => onReplica('REPLICAOF', 'NO', 'ONE'),
    async failOver() {
      await onReplica('REPLICAOF', 'NO', 'ONE')
      relay.forwardTo({ host: '127.0.0.1', port: replica.port })
      relay.cut()
      relay.release()
    },
    /** As planned by an operator: the old primary is there yet, and keeps its connections. */
    async changeOver() {
      await onReplica('REPLICAOF', 'NO', 'ONE')
      relay.forwardTo({ host: '127.0.0.1', port: replica.port })
      await on(primary, 'REPLICAOF', '127.0.0.1', String(replica.port))
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

describe('a failover of the store', { concurrency: 3 }, () => {
  test('after a rotation that was replicated: alive, nothing is presented again', async () => {
    await using running = await begin()
    const { provider, a, b, ref, replicated, failOver } = running
    assert.equal(await a.ask(ref), 'alice.2')
    await replicated(2)
    await failOver()
    assert.deepEqual([await askUntilSettled(a, ref), await askUntilSettled(b, ref)], ['alice.2', 'alice.2'])
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  test('that leaves the old primary as a replica: nodes leave it for the new one', async () => {
    // Of a connection that is younger than six times this a replica is taken for what the address leads to.
    await using running = await begin({ storeMs: 500 })
    const { provider, a, b, ref, changeOver } = running
    await changeOver()
    assert.equal(await askUntilSettled(a, ref), 'alice.2')
    assert.equal((await said(a.log, 'store_lost'))['reason'], 'READONLY')
    assert.equal(await askUntilSettled(b, ref), 'alice.2')
    assert.deepEqual(provider.presented, ['alice.1'])
  })

  test('that loses a rotation: that session is refused, and no other', async () => {
    await using running = await begin()
    const { provider, a, b, ref, bystander, stopReplication, failOver } = running
    await stopReplication()
    assert.equal(await a.ask(ref), 'alice.2')
    await failOver()
    assert.equal(await askUntilSettled(b, ref), 'session_ended')
    await said(b.log, 'session_ended')
    assert.deepEqual(provider.presented, ['alice.1', 'alice.1'])
    assert.equal(await askUntilSettled(a, bystander), 'bob.2')
  })

  test('that loses the mark, with the answer in hand: the result is stored, nothing is presented again', async () => {
    await using running = await begin()
    const { provider, a, b, ref, stopReplication, failOver } = running
    await stopReplication()
    const { first, exchange } = await hang(provider, () => a.ask(ref))
    a.script.cut()
    exchange.answer(exchange.process())
    await until(() => a.script.calls.includes('replace'))
    await failOver()
    a.script.mend()
    assert.equal(await first, 'alice.2')
    assert.equal(await askUntilSettled(b, ref), 'alice.2')
    assert.deepEqual(provider.presented, ['alice.1'])
  })
})
