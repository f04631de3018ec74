import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { variableOf } from '../../src/env.ts'
import { createBff } from '../../src/index.ts'
import { parseOptions } from '../../src/options.ts'
import { checkRedis } from '../../src/storage/redis-check.ts'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'
import { createRecordedLog } from '../support/recorded-log.ts'
import { startRedis } from '../support/redis.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

const options = {
  publicUrl: 'http://localhost:3000',
  issuer: 'http://127.0.0.1:9',
  clientId: 'app',
  clientSecret: 'not-a-secret-of-anybody',
  sessionSecret: 'x'.repeat(32),
  routes: [{ path: '/api', upstream: 'http://127.0.0.1:9' }],
}

/** A busy machine is waited for; where Redis will never be ready, there is nothing to wait for. */
const patience = { long: 10_000, short: 2_000 }

/** What `/readyz` and the check command find to say of a Redis. @param connect how long it is waited for, in ms */
async function inspect(redisUrl: string, connect = patience.long) {
  await using started = new AsyncDisposableStack()
  const adminPort = await freePort()
  const bff = createBff({ ...options, redisUrl, port: 0, adminPort }, { log: createRecordedLog().log })
  started.defer(() => bff.close())
  await bff.listen()
  const ask = async () => await fetch(`http://127.0.0.1:${adminPort}/readyz`)
  // Until Redis has been reached there is nothing to say of it.
  let response = await ask()
  while (response.status === 503 && !(await response.clone().text()).includes('replica')) response = await ask()
  const { ready, warnings } = await response.json()
  const codes = warnings.map(({ code }: { code: string }) => code)
  const texts: string[] = warnings.map(({ text }: { text: string }) => text)
  const findings = await checkRedis(parseOptions({ ...options, redisUrl, timing: { connect } }, { production: false }))
  const checked = findings.map(({ says }) => says)
  return { status: response.status, ready, codes, texts, checked }
}

/** What `coatcheck check` says of Redis. */
async function check(redisUrl: string, connect = patience.long): Promise<string[]> {
  const given = Object.entries({ ...options, redisUrl, timing: { connect } })
  const env = given.map(([name, value]) => [
    variableOf(name),
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  await using child = await startChild(process.execPath, [main, 'check'], { env: Object.fromEntries(env) })
  await child.ended
  return child
    .output()
    .split('\n')
    .filter((line) => line.includes('Redis'))
}

describe('readiness and the check command', { concurrency: 2 }, () => {
  test('have nothing to say of a Redis that keeps what it is given', async () => {
    await using redis = await startRedis(['--appendonly', 'yes'])
    const { status, ready, codes, checked } = await inspect(redis.url)
    assert.deepEqual([status, ready, codes, checked], [200, true, [], []])
  })

  test('take snapshots for persistence as well', async () => {
    await using redis = await startRedis(['--save', '60', '1'])
    assert.deepEqual((await inspect(redis.url)).codes, [])
  })

  test('warn of one that evicts and keeps nothing on disk, and stay ready', async () => {
    await using redis = await startRedis(['--maxmemory-policy', 'volatile-lru'])
    const { status, ready, codes, texts, checked } = await inspect(redis.url)
    assert.deepEqual([status, ready, codes], [200, true, ['evicting', 'not_persistent']])
    assert.match(texts[0] ?? '', /volatile-lru.*drops sessions.*noeviction/)
    assert.match(texts[1] ?? '', /everybody is logged out.*appendonly/)
    assert.deepEqual(checked, texts)
    assert.deepEqual(
      await check(redis.url),
      texts.map((text) => `warning  Redis: ${text}`),
    )
  })

  test('say of a replica that it is one, and that it takes no writes', async () => {
    await using primary = await startRedis()
    await using replica = await startRedis(['--replicaof', '127.0.0.1', String(primary.port), '--appendonly', 'yes'])
    const { status, ready, codes, texts, checked } = await inspect(replica.url, patience.short)
    assert.deepEqual([status, ready, codes], [503, false, ['replica']])
    assert.match(checked[0] ?? '', /takes no writes.*READONLY/)
    assert.deepEqual(checked.slice(1), texts)
  })

  test('say what a managed Redis does not tell', async () => {
    await using redis = await startRedis()
    const client = await createClient({ url: redis.url }).connect()
    for (const [user, command] of [
      ['shy', 'config'],
      ['mute', 'info'],
    ] as const) {
      await client.sendCommand(['ACL', 'SETUSER', user, 'on', '>pass', '~*', '&*', '+@all', `-${command}`])
    }
    client.destroy()
    const shy = await inspect(redis.url.replace('//', '//shy:pass@'))
    assert.deepEqual([shy.status, shy.codes], [200, ['unknown']])
    assert.match(shy.texts[0] ?? '', /CONFIG is refused/)
    const mute = await inspect(redis.url.replace('//', '//mute:pass@'))
    assert.deepEqual([mute.status, mute.codes], [200, ['unknown']])
    assert.match(mute.texts[0] ?? '', /INFO is refused/)
    assert.deepEqual(mute.checked, mute.texts)
  })

  test('say that Redis is away, which is a problem, and no more', async () => {
    const redis = await startRedis()
    await redis.close()
    const lines = await check(redis.url.replace('//', '//:hidden@'), patience.short)
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /^problem {2}Redis: it takes no writes.*ECONNREFUSED.*BFF_REDIS_URL/)
    assert.equal(lines.join().includes('hidden'), false)
  })

  test('say why Redis does not let us in', async () => {
    await using redis = await startRedis()
    const [line = ''] = await check(redis.url.replace('//', '//stranger:hidden@'), patience.short)
    assert.match(line, /^problem {2}Redis: it takes no writes.*WRONGPASS/)
    assert.equal(line.includes('hidden'), false)
  })
})

test('the log says why Redis is lost, by code', async () => {
  await using redis = await startRedis()
  const { log, lines } = createRecordedLog()
  const bff = createBff({ ...options, redisUrl: redis.url.replace('//', '//stranger:hidden@') }, { log })
  await assert.rejects(bff.ready())
  await bff.close()
  assert.equal(lines.find(({ msg }) => msg === 'store_lost')?.['reason'], 'WRONGPASS')
})
