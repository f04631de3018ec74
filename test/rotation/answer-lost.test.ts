import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { startRelay } from '../support/relay.ts'
import { type Exchange, leaveOpen, resetUnprocessed, rotateAndReset } from './exchange.ts'
import { startRotatingProvider } from './rotating-provider.ts'
import { askUntilSettled, beginSession, createDeployment, said, startTokenNode } from './token-node.ts'
import { startPair } from './token-pair.ts'

describe('an answer of the provider that does not come', { concurrency: 8 }, () => {
  test('lost on the way there: presented again at once, and the session lives', async () => {
    await using pair = await startPair('redis')
    const { provider, a, ref } = pair
    provider.next(resetUnprocessed)
    assert.equal(await a.ask(ref), 'alice.2')
    assert.deepEqual(provider.presented, ['alice.1', 'alice.1'])
    assert.equal((await said(a.log, 'refresh', { outcome: 'issued' })).presentation, 2)
  })

  test('lost on the way back, from a provider that takes a rotated token for a stolen one: told as lost', async () => {
    await using pair = await startPair('redis')
    const { provider, a, b, ref } = pair
    provider.next(rotateAndReset)
    assert.equal(await a.ask(ref), 'session_ended')
    await said(a.log, 'session_ended', { reason: 'rotation_lost' })
    assert.equal(await b.ask(ref), 'no_session')
    assert.deepEqual([provider.presented, provider.revoked], [['alice.1', 'alice.1'], []])
  })

  test('lost on the way back, from a provider with leeway: the session lives', async () => {
    await using pair = await startPair('redis', { leewayMs: 60_000 })
    const { provider, a, ref } = pair
    provider.next(rotateAndReset)
    assert.equal(await a.ask(ref), 'alice.3')
    assert.deepEqual(provider.presented, ['alice.1', 'alice.1'])
  })

  test('swallowed by the network, the connection open: the same', async () => {
    await using relay = await startRelay()
    await using provider = await startRotatingProvider({ leewayMs: 60_000, front: relay })
    await using node = await startTokenNode(createDeployment(provider, { timing: { ask: 2_000 } }))
    const ref = await beginSession(node, provider)
    provider.next((exchange) => {
      relay.hold()
      exchange.answer(exchange.process())
    })
    const arrivedAgain = provider.next((exchange) => exchange.answer(exchange.process()))
    const first = node.ask(ref)
    const { askedMs: inVain } = await said(node.log, 'refresh', { outcome: 'silent' })
    relay.release()
    await arrivedAgain
    assert.equal(await first, 'alice.3')
    const { askedMs, ms } = await said(node.log, 'refresh', { outcome: 'issued' })
    assert.ok(Number(inVain) >= 1_990, 'it says how long it has waited')
    // Each of the three is rounded by itself.
    assert.ok(Number(askedMs) <= Number(ms) - Number(inVain) + 2, 'for each answer by itself')
  })

  test('a connection that is refused: nothing was sent, nothing is in doubt, and the next one is the first', async () => {
    const port = await freePort()
    await using relay = await startRelay({ port })
    await using provider = await startRotatingProvider({ front: relay })
    await using node = await startTokenNode(createDeployment(provider))
    const ref = await beginSession(node, provider)
    await relay.close()
    assert.equal(await node.ask(ref), 'provider_unreachable')
    assert.equal(node.log.find(({ msg }) => msg === 'refresh')?.['outcome'], 'unsent')
    await using _back = await startRelay({ port, target: { host: '127.0.0.1', port: provider.port } })
    assert.equal(await askUntilSettled(node, ref), 'alice.2')
    assert.deepEqual(provider.presented, ['alice.1'])
    assert.equal((await said(node.log, 'refresh', { outcome: 'issued' })).presentation, 1)
  })

  for (const silences of [1, 2, 3, 6]) {
    test(`silent ${silences} times, nothing processed: alive with presentation ${silences + 1}`, async () => {
      await using pair = await startPair('redis', {}, { silence: 50, probe: 50 })
      const { provider, a, b, ref } = pair
      const heard: Promise<Exchange>[] = []
      for (let i = 0; i < silences; i++) heard.push(provider.next(resetUnprocessed))
      const answers = await Promise.all([askUntilSettled(a, ref), askUntilSettled(b, ref)])
      assert.deepEqual(answers, ['alice.2', 'alice.2'])
      await Promise.all(heard)
      assert.deepEqual(provider.presented, Array(silences + 1).fill('alice.1'))
      assert.ok([...a.log, ...b.log].every(({ msg }) => msg !== 'session_ended' && msg !== 'rotation_lost'))
    })
  }

  test('while the access token lasts nobody waits for a silent provider, nor is it asked again at once', async () => {
    let ahead = 0
    const timing = { ask: 1_000, askAgain: 1_000, silence: 600_000 }
    await using pair = await startPair('redis', {}, timing, (store) => ({ ...store, now: () => store.now() + ahead }))
    const { provider, a, b } = pair
    provider.always(leaveOpen)
    const login = provider.login('carol')
    const ref = 'a-session-of-carol'.padEnd(20, String(process.pid))
    await a.tokens.begin(ref, { ...login, tokens: { ...login.tokens, expiresIn: 120 } })
    ahead = 95_000 // from here on it is in its window, and has more time left than this test takes
    assert.equal(await a.ask(ref), 'carol.1')
    assert.ok(
      a.log.every(({ msg }) => msg !== 'refresh'),
      'before anything has come of the refresh',
    )
    while (a.log.every(({ outcome, presentation }) => outcome !== 'silent' || presentation !== 2)) {
      assert.deepEqual([await a.ask(ref), await a.ask(ref)], ['carol.1', 'carol.1'])
      await pause(20)
    }
    for (let i = 0; i < 20; i++) await Promise.all([a.ask(ref), b.ask(ref)])
    assert.deepEqual(provider.presented, ['carol.1', 'carol.1'])
  })

  test('a provider that is busy is left alone for as long as it says, and one refresh follows', async () => {
    await using pair = await startPair('redis')
    const { provider, a, b, ref } = pair
    provider.next((exchange) => exchange.answer({ status: 429, body: '', headers: { 'retry-after': '1' } }))
    const began = performance.now()
    const answers = await Promise.all([askUntilSettled(a, ref), askUntilSettled(b, ref)])
    assert.deepEqual(answers, ['alice.2', 'alice.2'])
    // Whole milliseconds of another clock; of its own accord a node leaves it alone for a tenth of that.
    assert.ok(performance.now() - began > 900)
    assert.deepEqual(provider.presented, ['alice.1', 'alice.1'])
  })

  test('a provider that rotates and answers 500 has ended the session by its own fault, and that is told', async () => {
    await using pair = await startPair('redis')
    const { provider, a, ref } = pair
    provider.next((exchange) => {
      exchange.process()
      exchange.answer({ status: 500, body: {} })
    })
    assert.equal(await askUntilSettled(a, ref), 'session_ended')
    await said(a.log, 'session_ended', { reason: 'refused' })
  })
})
