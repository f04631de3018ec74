import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
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
  await until(child, () => listening(child.output()).length === 2)
  const [first = 0] = listening(child.output())
  const status = async () =>
    (await fetch(`http://127.0.0.1:${port}/api/x`, { headers: { 'x-csrf': '1', connection: 'close' } })).status
  assert.equal(await status(), 401)
  process.kill(first, 'SIGKILL')
  await until(child, () => listening(child.output()).length === 3)
  assert.match(child.output(), /"signal":"SIGKILL","pauseMs":0,"msg":"worker_crashed"/)
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, status))), new Set([401]))
  child.signal('SIGTERM')
  assert.equal(await child.ended, 0)
  assert.equal(child.output().match(/"msg":"stopped"/g)?.length, 2)
})

test('a worker that is told to stop twice, by an init system, say, finishes what it is at', async () => {
  const port = await freePort()
  await using child = await startChild(process.execPath, [main, 'serve'], { env: environment(port) })
  await until(child, () => listening(child.output()).length === 2)
  const socket = connect(port, '127.0.0.1')
  const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\nExpect: 100-continue'
  socket.write(`POST /bff/backchannel HTTP/1.1\r\nHost: localhost:${port}\r\n${form}\r\n\r\n`)
  assert.match(String(await once(socket, 'data')), /^HTTP\/1.1 100 /)
  child.signal('SIGTERM')
  while (await accepts(port)) await pause(10) // until both have taken note
  for (const pid of listening(child.output())) signalIfAlive(pid, 'SIGTERM')
  socket.write('x'.repeat(100))
  assert.match(String(await once(socket, 'data')), /^HTTP\/1.1 400 /)
  assert.equal(await child.ended, 0)
})

test('a port in use ends all of them at once, with exit code 1', async () => {
  const port = await freePort()
  await using taken = await startChild(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`,
  ])
  await until(taken, (output) => output.includes('up'))
  const env = environment(port)
  await using child = await startChild(process.execPath, [main, 'serve'], { env })
  assert.equal(await child.ended, 1)
  assert.match(child.output(), new RegExp(`port ${port} on 127.0.0.1 is in use`))
})

test('a worker that keeps crashing is replaced after growing pauses, and at once when it has served for long', async () => {
  const livesMs = [1, 1, 1, 1, 1, 1, 1, 1_500, 1]
  // Ten times as much is between one that crashed at once, on a machine that is held up, and the one that served for long.
  await using child = await startFated(livesMs.map(String), { restartMs: 100 })
  await until(child, (output) => output.includes('stays'))
  const crashes = child.output().split('\n').slice(0, -1)
  const [at, pauses] = [0, 1].map((column) => crashes.map((line) => Number(line.split(' ')[column])))
  assert.deepEqual(pauses, [0, 100, 200, 400, 800, 1_000, 1_000, 0, 0])
  for (const [i, pauseMs] of (pauses ?? []).slice(0, -1).entries()) {
    const waited = (at?.[i + 1] ?? 0) - (at?.[i] ?? 0)
    assert.ok(waited >= pauseMs, `${waited} ms after crash ${i}`)
  }
})

test('a worker that dies before it serves is replaced like one that crashed, if any has served', async () => {
  await using child = await startFated(['1', 'unready', 'unready', '1'])
  await until(child, (output) => output.includes('stays'))
  const crashes = child.output().split('\n').slice(0, -1)
  assert.deepEqual(
    crashes.map((line) => line.split(' ')[1]),
    ['0', '60', '120', '240'],
  )
})

test('one that cannot be started is replaced like one that crashed, if any has served', async () => {
  await using child = await startFated(['1', 'unborn', 'unborn-at-once', '1'])
  await until(child, (output) => output.includes('stays'))
  const crashes = child.output().split('\n').slice(0, -1)
  assert.deepEqual(
    crashes.map((line) => line.split(' ').slice(1).join(' ')),
    ['0 7', '60 ENOENT', '120 ENOTDIR', '240 7'],
  )
})

test('a worker that is killed while it asks for its port is replaced', async () => {
  await using child = await startFated(['asking'])
  await until(child, (output) => output.includes('stays'))
  assert.match(child.output(), /^[\d.]+ 0 SIGKILL\n/)
})

test('the first worker that dies before it serves ends the program with exit code 1', async () => {
  await using child = await startFated(['unready'])
  assert.equal(await child.ended, 1)
  assert.match(child.output(), /^[\d.]+ null 7$/)
})

test('to stop while no worker runs ends the pause before the next', async () => {
  await using child = await startFated(['1', '1'], { restartMs: 600_000 })
  await until(child, (output) => output.includes(' 600000 '))
  child.signal('SIGTERM')
  assert.equal(await child.ended, 0)
  assert.doesNotMatch(child.output(), /stays/)
})

for (const fate of ['unborn', 'unborn-at-once'])
  test(`the first worker that cannot be started (${fate}) ends the program with exit code 1`, async () => {
    await using child = await startFated([fate])
    assert.equal(await child.ended, 1)
    assert.match(child.output(), /^[\d.]+ null ENO\w+$/)
  })

test('a crash while the program stops is told, and makes the exit code 1', async () => {
  await using child = await startFated(['stubborn'])
  await until(child, (output) => output.includes('serves'))
  child.signal('SIGTERM')
  assert.equal(await child.ended, 1)
  assert.match(child.output(), /^serves\n[\d.]+ null 7$/)
})

test('a second word to stop, of another kind, breaks off no worker and leaves the exit code', async () => {
  await using child = await startFated(['lingering', 'stubborn'], { count: 2 })
  await until(child, (output) => output.match(/serves/g)?.length === 2)
  child.signal('SIGTERM')
  await until(child, (output) => output.includes('lingers'))
  child.signal('SIGINT')
  assert.equal(await child.ended, 1)
  assert.match(child.output(), /finished/)
})

test('a worker that is killed while a connection is handed to it does not keep the program from its end', async () => {
  await using child = await startFated(['handed'])
  await until(child, (output) => output.includes('stays'))
  child.signal('SIGTERM')
  assert.equal(await child.ended, 0)
})

function startFated(fates: readonly string[], { count = 1, restartMs = 60 } = {}) {
  return startChild(process.execPath, [crashing, String(count), String(restartMs), ...fates])
}

/** The ids of the processes that say that they listen. */
function listening(output: string): number[] {
  return [...output.matchAll(/"pid":(\d+),"msg":"listening"/g)].map((match) => Number(match[1]))
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const accepted = await once(socket, 'connect').catch(() => null)
  socket.destroy()
  return accepted !== null
}

function signalIfAlive(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}

/** Waits for what a program writes; throws when the program ends before. */
async function until(child: Awaited<ReturnType<typeof startChild>>, holds: (output: string) => boolean) {
  const ended = child.ended.then((code) => {
    throw new Error(`ended with exit code ${code}: ${child.output()}`)
  })
  ended.catch(() => undefined) // it may end when nobody waits any more
  while (!holds(child.output())) await Promise.race([ended, pause(10)])
}

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
