import type { Options } from './options.ts'
import { checkProvider } from './relying-party/provider-check.ts'
import { checkRedis } from './storage/redis-check.ts'

/** What `coatcheck check` finds outside the configuration: its lines, and whether any of it keeps users from logging in. */
export async function check(options: Options): Promise<{ lines: string[]; passed: boolean }> {
  const [ofProvider, ofRedis] = await Promise.all([checkProvider(options), checkRedis(options)])
  const findings = [...ofProvider, ...ofRedis.map(({ is, says }) => ({ is, says: `Redis: ${says}` }))]
  return {
    lines: findings.map(({ is, says }) => `${is.padEnd('problem'.length)}  ${says}`),
    passed: findings.every(({ is }) => is !== 'problem'),
  }
}
