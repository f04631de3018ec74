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

  const misused: Record<string, RegExp> = {
    '': /no command ""/,
    dance: /no command "dance"/,
    'serve --bogus': /'--bogus'/,
    'check --all': /--all: for sessions alone/,
    'sessions list': /--sub, --sid or --all: one of them is needed/,
    'sessions end --all --sub x': /one of them is needed/,
  }
  for (const [line, says] of Object.entries(misused)) {
    test(`"${line}" is answered with what is wrong and how it is used, in a screenful, and exit code 2`, async () => {
      const { code, output } = await run(line.split(' ').filter(Boolean))
      const [first = '', ...rest] = output.split('\n')
      assert.equal(code, 2)
      assert.match(first, says)
      assert.ok(rest.some((row) => row.includes('coatcheck serve [--config file]')) && rest.length < 20, output)
    })
  }

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
      for (const name of ['BFF_PUBLIC_URL', 'BFF_CLIENT_ID', 'BFF_PORT', 'BFF_SESSION_SECRET'])
        assert.match(output, new RegExp(`- ${name}: `))
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
    assert.match(output, /BFF_CLIENT_SECRET_FILE: .*none cannot be read/)
    assert.equal(output.includes('required'), false)
  })

  test('a problem is named as its option was given: in the file, or by the variable that overrides it', async () => {
    const config = join(await mkdtemp(join(tmpdir(), 'coatcheck-config-')), 'coatcheck.yaml')
    await writeFile(config, 'colour: red\nbasePath: bff\nroutes: [{ path: api, upstream: http://a }]\nport: 70000\n')
    const { BFF_ROUTES: _, ...rest } = good
    const { output } = await run(['check', '--config', config], { ...rest, BFF_PORT: '80000' })
    const names = output.split('\n').flatMap((line) => /^ {2}- (\S+):/.exec(line)?.[1] ?? [])
    assert.deepEqual(names, ['BFF_PORT', 'routes.0.path', 'basePath', 'colour'])
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

  test('an address that is not this machine’s is one clear sentence', async () => {
    for (const host of ['192.0.2.1', 'nowhere.invalid']) {
      const { code, output } = await run(['serve'], { ...good, BFF_PORT: '0', BFF_HOST: host })
      assert.equal(code, 1)
      assert.match(output, new RegExp(`^coatcheck: cannot listen on .*${host}.*$`, 'm'))
      assert.equal(output.includes('    at '), false)
    }
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
