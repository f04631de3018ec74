#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { createBff } from './bff.ts'
import { check } from './check.ts'
import { inProduction, readConfiguration, variablesHelp } from './env.ts'
import { ConfigurationError } from './errors.ts'
import { type BffOptions, parseOptions } from './options.ts'
import { generateSecret } from './secrets.ts'
import { createCounters } from './telemetry/counters.ts'
import { createSay } from './telemetry/events.ts'
import { createLog } from './telemetry/log.ts'
import { isWorker, runWorkers } from './workers.ts'

const help = `coatcheck: leave your tokens at the door, keep the ticket

Usage
  coatcheck serve [--config file]   log users in, keep their tokens, forward their API calls
  coatcheck check [--config file]   check the configuration, then the provider and Redis
  coatcheck keys generate           print a new session secret
  coatcheck --help

Configuration (environment variables override the file)
${variablesHelp()}
`

/** The operator's door. @returns the exit code, or nothing while the server runs */
async function main(): Promise<number | undefined> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [command, ...rest] = positionals
  if (positionals.join(' ') === 'keys generate') {
    process.stdout.write(`${generateSecret()}\n`)
    return 0
  }
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  if (rest.length > 0 || (command !== 'serve' && command !== 'check')) {
    process.stderr.write(help)
    return 2
  }
  const options = readConfiguration(values.config)
  if (command === 'check') {
    const { lines, passed } = await check(parseOptions(options, { production: inProduction() }))
    process.stdout.write(`The configuration is fine.\n${lines.join('\n')}\n`)
    return passed ? 0 : 1
  }
  if ((options.workers ?? 1) > 1 && !isWorker) return runWorkers(options.workers ?? 1, tellOfCrashes())
  await serve(options)
  return undefined
}

async function serve(options: BffOptions): Promise<void> {
  const bff = createBff(options)
  await bff.listen()
  const stop = () => void bff.close().then(() => process.exit(0))
  process.once('SIGTERM', stop)
  // A terminal's Ctrl-C reaches workers too; theirs is the word of the process that started them.
  if (isWorker) process.on('SIGINT', () => undefined)
  // Once: a second one ends the process at once, as it would any other.
  else process.once('SIGINT', stop)
}

function tellOfCrashes() {
  const say = createSay(createLog(), createCounters())
  return (code: number | null, signal: string | null) => say('worker_crashed', { code, signal })
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`coatcheck: ${explain(error)}\n`)
  process.exit(1)
}

function explain(error: unknown): string {
  if (error instanceof ConfigurationError) return error.message
  const { code, port, address } = error as { code?: unknown; port?: unknown; address?: unknown } // fields of a listen error
  if (code === 'EADDRINUSE') return `port ${port} on ${address} is in use by another program`
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')) return `${(error as Error).message}\n\n${help}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
