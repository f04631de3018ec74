import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const crashing = join(import.meta.dirname, 'crashing-workers.ts')

test('several processes share the port; one that crashes is replaced, and all stop together', async () => {
  const port = await freePort()
  const env = environment(port)
  await using child = await startChild(process.execPath, [main, 'serve'], { env })
  const listening = () =>
    [...child.output().matchAll(/"pid":(\d+),"msg":"listening"/g)].map((match) => Number(match[1]))
  const until = async (holds: () => boolean) => {
    while (!holds()) await pause(20)
  }
  await until(() => listening().length === 2)
  const [first = 0] = listening()
  const status = async () =>
    (await fetch(`http://127.0.0.1:${port}/api/x`, { headers: { 'x-csrf': '1', connection: 'close' } })).status
  assert.equal(await status(), 401)
  process.kill(first, 'SIGKILL')
  await until(() => listening().length === 3)
  assert.match(child.output(), /"signal":"SIGKILL","pauseMs":0,"msg":"worker_crashed"/)
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, status))), new Set([401]))
  child.signal('SIGTERM')
  assert.equal(await child.ended, 0)
  assert.equal(child.output().match(/"msg":"stopped"/g)?.length, 2)
})

test('a port in use ends all of them at once, with exit code 1', async () => {
  const port = await freePort()
  await using taken = await startChild(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`,
  ])
  while (!taken.output().includes('up')) await pause(10)
  const env = environment(port)
  await using child = await startChild(process.execPath, [main, 'serve'], { env })
  assert.equal(await child.ended, 1)
  assert.match(child.output(), new RegExp(`port ${port} on 127.0.0.1 is in use`))
})

test('a worker that keeps crashing is replaced after growing pauses, and at once when it has served for long', async () => {
  const livesMs = [1, 1, 1, 1, 1, 1, 1, 350, 1]
  await using child = await startChild(process.execPath, [crashing, '30', ...livesMs.map(String)])
  while (!child.output().includes('stays')) await pause(10)
  const crashes = child.output().split('\n').slice(0, -1)
  const [at, pauses] = [0, 1].map((column) => crashes.map((line) => Number(line.split(' ')[column])))
  assert.deepEqual(pauses, [0, 30, 60, 120, 240, 300, 300, 0, 0])
  for (const [i, pauseMs] of (pauses ?? []).slice(0, -1).entries()) {
    const waited = (at?.[i + 1] ?? 0) - (at?.[i] ?? 0)
    assert.ok(waited >= pauseMs, `${waited} ms after crash ${i}`)
  }
})

test('a worker that dies before it serves is replaced like one that crashed, if any has served', async () => {
  await using child = await startChild(process.execPath, [crashing, '30', '1', '-1', '-1', '1'])
  while (!child.output().includes('stays')) await pause(10)
  const crashes = child.output().split('\n').slice(0, -1)
  assert.deepEqual(
    crashes.map((line) => line.split(' ')[1]),
    ['0', '30', '60', '120'],
  )
})

test('the first worker that dies before it serves ends the program with exit code 1', async () => {
  await using child = await startChild(process.execPath, [crashing, '30', '-1'])
  assert.equal(await child.ended, 1)
  assert.match(child.output(), /^[\d.]+ null$/)
})

test('to stop while no worker runs ends the pause before the next', async () => {
  await using child = await startChild(process.execPath, [crashing, '600000', '1', '1'])
  while (!child.output().includes(' 600000')) await pause(10)
  child.signal('SIGTERM')
  assert.equal(await child.ended, 0)
  assert.doesNotMatch(child.output(), /stays/)
})

function environment(port: number): Record<string, string> {
  return {
    BFF_PUBLIC_URL: `http://localhost:${port}`,
    BFF_PORT: String(port),
    BFF_ISSUER: 'http://127.0.0.1:9',
    BFF_CLIENT_ID: 'app',
    BFF_CLIENT_SECRET: 'not-a-secret',
    BFF_SESSION_SECRET: 'x'.repeat(32),
    BFF_ROUTES: '[{"path":"/api","upstream":"http://127.0.0.1:9"}]',
    BFF_REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
    BFF_WORKERS: '2',
  }
}
