import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { findProgram } from './find-program.ts'

/** The programs that the tests start. */
interface Programs {
  /** A path, or `docker`. */
  redis: string
  chromium: string
}

interface Requirement {
  what: string
  /** Names in PATH, any of which will do. */
  commands: readonly string[]
  /** Of Debian and Ubuntu. */
  package: string
}

const redis: Requirement = { what: 'Redis', commands: ['redis-server', 'valkey-server'], package: 'redis-server' }
const chromium: Requirement = {
  what: 'Chromium',
  commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  package: 'chromium',
}

/**
 * Finds what the tests need, and installs what is missing where that asks nobody: as root on Debian or Ubuntu.
 * @param say is told what is done to the machine before it is done
 * @throws Error whose message is one sentence with the command to run
 */
export function findPrograms(say: (line: string) => void): Programs {
  const ownChromium = process.env['CHROMIUM_PATH']
  const needed = ownChromium === undefined ? [redis, chromium] : [redis]
  const missing = needed.filter(({ commands }) => findProgram(...commands) === undefined)
  if (missing.length > 0 && canInstall()) install(missing, say)
  return {
    redis: findProgram(...redis.commands) ?? (dockerAnswers() ? 'docker' : fail(redis)),
    chromium: ownChromium ?? findProgram(...chromium.commands) ?? fail(chromium),
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
}

function install(missing: readonly Requirement[], say: (line: string) => void): void {
  const packages = missing.map((requirement) => requirement.package)
  const commands = [['update'], ['install', '-y', '--no-install-recommends', ...packages]]
  for (const args of commands) {
    say(`The tests need ${missing.map(({ what }) => what).join(' and ')}: running apt-get ${args.join(' ')}`)
    // RUNLEVEL=1: the package's own service is not started. The tests start a server of their own.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
    if (status !== 0) {
      say(`${stdout ?? ''}${stderr ?? ''}apt-get ${args[0]} failed.`)
      return
    }
  }
}

function dockerAnswers(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0
}

function fail({ what, package: name }: Requirement): never {
  throw new Error(
    `The tests need ${what}, which is not here; install it, on Debian or Ubuntu: sudo apt-get install ${name}`,
  )
}
