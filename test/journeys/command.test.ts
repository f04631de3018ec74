import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { closeServer, listen } from '../../demo/listen.ts'
import { startProvider } from '../../demo/provider.ts'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

const provider = await startProvider({ clients: [] })
after(() => provider.close())

const good = {
  BFF_PUBLIC_URL: 'http://localhost:3000',
  BFF_ISSUER: provider.issuer,
  BFF_CLIENT_ID: 'app',
  BFF_CLIENT_SECRET: 'not-a-secret',
  BFF_SESSION_SECRET: 'x'.repeat(32),
  BFF_ROUTES: '[{"path":"/api","upstream":"http://127.0.0.1:9"}]',
}

/** Runs the command to its end. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  await using child = await startChild(process.execPath, [main, ...args], { env })
  const code = await child.ended
  return { code, output: child.output() }
}

describe('the command', () => {
  test('--help names every variable and its default', async () => {
    const { code, output } = await run(['--help'])
    assert.equal(code, 0)
    for (const part of ['coatcheck serve', 'BFF_PUBLIC_URL', 'BFF_SESSION_SECRET[_FILE]', '(36000)'])
      assert.ok(output.includes(part), part)
  })

  test('without a command it says how it is used, and fails', async () => {
    assert.equal((await run([])).code, 2)
    assert.equal((await run(['dance'])).code, 2)
  })

  test('check accepts what serve would', async () => {
    const { code, output } = await run(['check'], good)
    assert.deepEqual([code, output.split('\n')[0]], [0, 'The configuration is fine.'])
  })

  test('keys generate prints a new secret that the configuration accepts', async () => {
    const [one, other] = [await run(['keys', 'generate']), await run(['keys', 'generate'])]
    assert.equal(one.code, 0)
    assert.match(one.output, /^[\w-]{64}$/)
    assert.notEqual(one.output, other.output)
    assert.equal((await run(['check'], { ...good, BFF_SESSION_SECRET: one.output })).code, 0)
    assert.equal((await run(['keys'])).code, 2)
  })

  test('wrong configuration: every problem at once, exit code 1, nothing started', async () => {
    const env = {
      ...good,
      BFF_PUBLIC_URL: 'http://example.com',
      BFF_CLIENT_ID: '',
      BFF_PORT: '70000',
      BFF_SESSION_SECRET: 'short',
    }
    for (const command of ['serve', 'check']) {
      const { code, output } = await run([command], env)
      assert.equal(code, 1)
      for (const name of ['publicUrl', 'clientId', 'port', 'sessionSecret'])
        assert.match(output, new RegExp(`- ${name}`))
      assert.equal(output.includes('short'), false)
    }
  })

  test('an unknown variable and an unreadable value are problems too', async () => {
    const { code, output } = await run(['check'], { ...good, BFF_COLOUR: 'red', BFF_ROUTES: '[', BFF_PORT: 'x' })
    assert.equal(code, 1)
    for (const line of ['BFF_COLOUR: unknown variable', 'BFF_ROUTES: is not valid JSON', 'BFF_PORT: is not a number']) {
      assert.ok(output.includes(line), output)
    }
  })

  test('secrets come from files, and options from a YAML file that variables override', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coatcheck-config-'))
    const secret = join(directory, 'secret')
    const config = join(directory, 'coatcheck.yaml')
    await writeFile(secret, `${'y'.repeat(40)}\n`)
    await writeFile(
      config,
      'clientId: from-file\nclaims: [sub]\nroutes:\n  - path: /api\n    upstream: http://127.0.0.1:9\n',
    )
    const { BFF_SESSION_SECRET: _, BFF_ROUTES: __, BFF_CLIENT_ID: ___, ...rest } = good
    const env = { ...rest, BFF_SESSION_SECRET_FILE: secret }
    assert.equal((await run(['check', '--config', config], env)).code, 0)
    assert.equal((await run(['check'], { ...env, BFF_CONFIG: config })).code, 0)
    const { code, output } = await run(['check', '--config', config], {
      ...env,
      BFF_CLIENT_SECRET_FILE: join(directory, 'none'),
    })
    assert.equal(code, 1)
    assert.match(output, /BFF_CLIENT_SECRET: set together with BFF_CLIENT_SECRET_FILE/)
  })

  test('a file of secrets with nothing in it is not the same as none', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'coatcheck-config-')), 'keys')
    await writeFile(file, '\n')
    const { code, output } = await run(['check'], { ...good, BFF_DECRYPTION_KEYS_FILE: file })
    assert.equal(code, 1)
    assert.match(output, /BFF_DECRYPTION_KEYS_FILE: .*keys is empty/)
  })

  test('memory in production is refused unless asked for by name', async () => {
    assert.equal((await run(['check'], { ...good, NODE_ENV: 'production' })).code, 1)
    assert.equal((await run(['check'], { ...good, NODE_ENV: 'production', BFF_STORE: 'memory' })).code, 0)
  })

  test('a port in use is one clear sentence', async () => {
    const taken = createServer()
    const port = await listen(taken, 0, '127.0.0.1')
    const { code, output } = await run(['serve'], { ...good, BFF_PORT: String(port) })
    await closeServer(taken)
    assert.equal(code, 1)
    assert.match(output, new RegExp(`port ${port} on 127.0.0.1 is in use`))
  })

  test('serve lives without its provider, and ends on SIGTERM with exit code 0', async () => {
    const [port, adminPort] = [await freePort(), await freePort()]
    const away = 'http://127.0.0.1:9'
    const env = { ...good, BFF_ISSUER: away, BFF_PORT: String(port), BFF_ADMIN_PORT: String(adminPort) }
    await using child = await startChild(process.execPath, [main, 'serve'], { env })
    while (!child.output().includes('"listening"')) await pause(10)
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).status
    assert.deepEqual([await status('/livez'), await status('/readyz'), await status('/')], [200, 200, 404])
    assert.equal((await fetch(`http://127.0.0.1:${port}/bff/login`)).status, 503)
    child.signal('SIGTERM')
    assert.equal(await child.ended, 0)
  })
})
