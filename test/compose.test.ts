import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { createBrowser } from './support/browser.ts'
import { startChild } from './support/child-process.ts'
import { freePort } from './support/free-port.ts'
import { recordingDirectory } from './support/recording-directory.ts'
import { startRecordingRelay } from './support/recording-relay.ts'
import { startRedis } from './support/redis.ts'
import { recordSecret } from './support/secrets.ts'

interface Service {
  command: string[]
  environment?: Record<string, string>
  healthcheck: { test: string | string[] }
}

const root = join(import.meta.dirname, '..')
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
// The file is ours; what is not as it says here fails below.
const { services } = parse(text, { merge: true }) as { services: Record<string, Service> }
const programs = ['provider', 'api', 'bff']

test('the services of docker-compose.yml, as processes of this machine, let a user log in and call the API', async (t) => {
  assert.deepEqual(Object.keys(services).toSorted(), ['redis', ...programs].toSorted())
  await using redis = await startRedis(services['redis']?.command.slice(1).filter(isNoAddress))
  await using relay = await startRecordingRelay()
  const adapt = await createAdapter(t, relay.port, redis.port)

  await using children = new AsyncDisposableStack()
  const running = new Map<string, Awaited<ReturnType<typeof startChild>>>()
  for (const name of programs) {
    const service = adapt(services[name])
    const { BFF_CLIENT_SECRET: clientSecret, BFF_SESSION_SECRET: sessionSecret } = service.environment
    if (clientSecret !== undefined) recordSecret('client_secret', clientSecret)
    if (sessionSecret !== undefined) recordSecret('session_secret', sessionSecret)
    if (name === 'bff') relay.forwardTo({ host: '127.0.0.1', port: Number(service.environment['BFF_PORT']) })
    const [command = '', ...args] = service.command
    const child = children.use(await startChild(command, args, { cwd: root, env: service.environment }))
    running.set(name, child)
    const ended = new AbortController()
    void child.ended.then(() => ended.abort())
    await becomesHealthy(service, ended.signal)
    assert.ok(!ended.signal.aborted, `${name} has ended:\n${child.output()}`)
  }

  const browser = createBrowser(relay.origin)
  const landed = await browser.login('alice')
  assert.equal(landed.url, `${relay.origin}/`)
  assert.match(landed.headers.get('content-type') ?? '', /^text\/html/)
  assert.equal((await browser.api('/api/orders')).status, 200)

  await relay.close()
  for (const [name, child] of running) {
    child.signal('SIGTERM')
    assert.equal(await child.ended, 0, `${name} ends in order:\n${child.output()}`)
    appendFileSync(join(recordingDirectory(), `log-compose-${name}.txt`), child.output())
  }
})

test('only the address that a browser opens is published, to this machine alone', () => {
  const published = Object.values(parse(text, { merge: true }).services).flatMap((service) =>
    typeof service === 'object' && service !== null && 'ports' in service ? service.ports : [],
  )
  assert.deepEqual(published, ['127.0.0.1:3000:3000', '127.0.0.1:3001:3001', '127.0.0.1:3002:3002'])
})

test('docker compose accepts the file, where it is installed', (t) => {
  // Without it there is nothing to ask; the tests above hold all the same, so this is not a test left out.
  if (spawnSync('docker', ['compose', 'version']).status !== 0) return t.diagnostic('no docker compose here')
  const { status, stderr } = spawnSync('docker', [
    'compose',
    '--file',
    join(root, 'docker-compose.yml'),
    'config',
    '-q',
  ])
  assert.equal(status, 0, String(stderr))
})

type AdaptedService = Service & { environment: Record<string, string> }

/** Gives services free ports, the loopback address, a folder for what they write, and the Node.js that runs this. */
async function createAdapter(
  t: TestContext,
  publicPort: number,
  redisPort: number,
): Promise<(service: Service | undefined) => AdaptedService> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-compose-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const replacements = new Map([
    ['localhost:3000', `localhost:${publicPort}`],
    ['6379', String(redisPort)],
    ['0.0.0.0', '127.0.0.1'],
    ['/tmp/', `${folder}/`],
  ])
  for (const port of ['3000', '3001', '3002', '3009']) replacements.set(port, String(await freePort()))
  // In one pass, so that no new port is taken for an old one.
  const old = new RegExp([...replacements.keys()].map((key) => `(?<!\\d)${key.replaceAll('.', '\\.')}`).join('|'), 'g')
  const replace = (value: string): string => value.replace(old, (found) => replacements.get(found) ?? found)
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  return (service) => {
    assert.ok(service !== undefined)
    const environment = Object.entries(service.environment ?? {}).map(([name, value]) => [name, replace(value)])
    return {
      command: service.command.map(replace),
      environment: { PATH: path, ...Object.fromEntries(environment) },
      healthcheck: { test: replace(String(service.healthcheck.test)) },
    }
  }
}

/** Asks by the service's own health check until it says yes, or nobody is left to ask. */
async function becomesHealthy({ healthcheck, environment }: AdaptedService, ended: AbortSignal): Promise<void> {
  const ask = () => promisify(execFile)('/bin/sh', ['-c', String(healthcheck.test)], { env: environment, cwd: root })
  const healthy = () =>
    ask().then(
      () => true,
      () => false,
    )
  while (!ended.aborted && !(await healthy())) await pause(100)
}

/** Redis listens where the test says. */
function isNoAddress(argument: string, index: number, all: readonly string[]): boolean {
  return argument !== '--bind' && all[index - 1] !== '--bind'
}
