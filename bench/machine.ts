import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../test/support/find-program.ts'

/** The cores of a run: the peer that is measured has one, everything else shares the other. */
export const cores = { peer: 0, others: 1 } as const

/** What the run starts, where it is installed; names of Debian's packages. */
const wanted = {
  redis: { command: 'redis-server', package: 'redis-server', for: null },
  nginx: { command: 'nginx', package: 'nginx', for: 'the peer nginx; the upstream is Node.js without it' },
  apache: { command: 'apache2', package: 'apache2', for: 'the peer mod_auth_openidc' },
  wrk: { command: 'wrk', package: 'wrk', for: 'the load; it comes from Node.js without it, and less of it' },
} as const

export interface Machine {
  redis: string
  /** Paths; `null` where not installed. */
  nginx: string | null
  apache: string | null
  wrk: string | null
}

/**
 * Finds the programs, and puts this process and what it starts from now on on the core that is not measured.
 * @param say is told what is missing, and what for
 * @throws Error whose message is one sentence, where nothing can be measured
 */
export function prepareMachine(say: (line: string) => void): Machine {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc and pins processes: it needs Linux.')
  if (availableParallelism() < 2) throw new Error('The benchmark needs two cores: one is for what is measured.')
  const found = {
    redis: find('redis'),
    nginx: find('nginx'),
    apache: existsSync(authOpenidcModule) ? find('apache') : null,
    wrk: find('wrk'),
  }
  if (found.apache === null) say(`not installed: libapache2-mod-auth-openidc, for ${wanted.apache.for}`)
  for (const name of ['nginx', 'wrk'] as const) {
    if (found[name] === null) say(`not installed: ${wanted[name].package}, for ${wanted[name].for}`)
  }
  const { redis } = found
  if (redis === null) throw new Error(`The benchmark needs Redis; on Debian or Ubuntu: apt-get install redis-server`)
  execFileSync('taskset', ['-a', '-p', '-c', String(cores.others), String(process.pid)], { stdio: 'ignore' })
  return { ...found, redis }
}

export const apacheModules = '/usr/lib/apache2/modules'
const authOpenidcModule = join(apacheModules, 'mod_auth_openidc.so')

/** One line about the machine, for whoever compares figures. */
export function describeMachine(): string {
  const [first] = cpus()
  return `${cpus().length} cores (${first?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, Node.js ${process.version}`
}

function find(name: keyof typeof wanted): string | null {
  return findProgram(wanted[name].command) ?? null
}
