#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { createBff } from './bff.ts'
import { check } from './check.ts'
import { inProduction, readConfiguration, variablesHelp } from './env.ts'
import { BffError, ConfigurationError } from './errors.ts'
import { type BffOptions, parseOptions } from './options.ts'
import { generateSecret } from './secrets.ts'
import type { OperatorSessions, WhichSessions } from './session/operator-sessions.ts'
import { createCounters } from './telemetry/counters.ts'
import { createSay } from './telemetry/events.ts'
import { createLog } from './telemetry/log.ts'
import { type Crash, isWorker, runWorkers, stopSignals, tellReady } from './workers.ts'

const usage = `Usage
  coatcheck serve [--config file]   log users in, keep their tokens, forward their API calls
  coatcheck check [--config file]   check the configuration, then the provider and Redis
  coatcheck keys generate           print a new session secret
  coatcheck sessions list|end       sessions in Redis: those of a user (--sub <subject>), those that came from one session
                                    at the provider (--sid <sid>), or every one (--all); a list is JSON, one a line
  coatcheck --help                  the same, and what can be configured`

const help = `coatcheck: leave your tokens at the door, keep the ticket

${usage}

Configuration (environment variables override the file)
${variablesHelp()}`

/** What can be asked of the command, each with what it promises: an exit code, or nothing while a server runs. */
const commands: Readonly<Record<string, (given: Given) => Promise<number | undefined>>> = {
  serve: async ({ config }) => {
    const options = readConfiguration(config)
    const { workers, timing } = parseOptions(options, { production: inProduction() })
    if (workers > 1 && !isWorker) return runWorkers(workers, timing.restart, tellOfCrashes())
    return serve(options)
  },
  check: async ({ config }) => {
    const { lines, passed } = await check(parseOptions(readConfiguration(config), { production: inProduction() }))
    print(`The configuration is fine.\n${lines.join('\n')}`)
    return passed ? 0 : 1
  },
  'keys generate': async () => {
    print(generateSecret())
    return 0
  },
  'sessions list': ({ config, which }) =>
    withSessions(config, which, async (sessions, meant) => {
      for await (const session of sessions.list(meant)) print(JSON.stringify(session))
    }),
  'sessions end': ({ config, which }) =>
    withSessions(config, which, async (sessions, meant) => print(`ended: ${await sessions.end(meant)}`)),
}

/** A command line that says nothing we know. */
class UsageError extends Error {}

interface Given {
  config: string | undefined
  /** `null` unless exactly one of `--sub`, `--sid` and `--all` was given. */
  which: WhichSessions | null
}

/** The operator's door. */
async function main(): Promise<number | undefined> {
  const { values, positionals } = readArguments()
  if (values.help) {
    print(help)
    return 0
  }
  const { config, sub, sid, all } = values
  const meant: WhichSessions[] = [
    ...(sub ? [{ sub }] : []),
    ...(sid ? [{ sid }] : []),
    ...(all ? ['all' as const] : []),
  ]
  const command = commands[positionals.join(' ')]
  const aboutSessions = positionals[0] === 'sessions'
  if (command === undefined) throw new UsageError(`there is no command "${positionals.join(' ')}"`)
  if (meant.length !== (aboutSessions ? 1 : 0)) {
    throw new UsageError(`--sub, --sid or --all: ${aboutSessions ? 'one of them is needed' : 'for sessions alone'}`)
  }
  return command({ config, which: meant[0] ?? null })
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        sub: { type: 'string' },
        sid: { type: 'string' },
        all: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Does something to sessions in the configured store, and waits for what is to be revoked. */
async function withSessions(
  config: string | undefined,
  which: WhichSessions | null,
  act: (sessions: OperatorSessions, which: WhichSessions) => Promise<void>,
): Promise<number> {
  const options = readConfiguration(config)
  // This process would look into its own memory, and find nobody there.
  if (options.redisUrl === undefined) throw new ConfigurationError(['BFF_REDIS_URL: required to see sessions'])
  const bff = createBff(options, { log: createLog(2) })
  try {
    await bff.ready()
    if (which !== null) await act(bff.sessions, which)
    return 0
  } finally {
    await bff.close()
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function serve(options: BffOptions): Promise<undefined> {
  const bff = createBff(options)
  await bff.listen()
  tellReady()
  const stop = () => void bff.close().then(() => process.exit(0))
  process.once('SIGTERM', stop)
  // What a terminal or an init system says to all processes at once reaches a worker twice: from there, and from the
  // process that started it. It ends in order all the same, and with that process at the latest.
  if (isWorker) for (const signal of stopSignals) process.on(signal, () => undefined)
  // Once: a second one ends the process at once, as it would any other.
  else process.once('SIGINT', stop)
}

function tellOfCrashes() {
  const say = createSay(createLog(), createCounters())
  return ({ error, ...crash }: Crash) => say('worker_crashed', crash, error)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`coatcheck: ${explain(error)}\n`)
  process.exit(error instanceof UsageError ? 2 : 1)
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\n\n${usage}`
  if (error instanceof ConfigurationError || error instanceof BffError) return error.message
  const { code, syscall, port, address, hostname } = error as { [field: string]: unknown } // fields of a listen error
  if (code === 'EADDRINUSE') return `port ${port} on ${address} is in use by another program`
  if (syscall === 'listen') return `cannot listen on port ${port} of ${address} (${code})`
  if (syscall === 'getaddrinfo') return `cannot listen on ${hostname}, which has no address (${code})`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
