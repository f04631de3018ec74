import { errorReply } from './redis-connection.ts'
import type { StoreWarning } from './store.ts'

/** What Redis is asked; either may be refused. */
interface Asked {
  info(): Promise<string>
  configGet(name: 'save'): Promise<Readonly<Record<string, string>>>
}

/**
 * What Redis says of itself (INFO, and CONFIG where that is not enough) that endangers sessions. Managed services
 * refuse one or the other, and then it is unknown.
 * @throws BffError `store_unreachable`
 */
export async function redisWarnings(redis: Asked): Promise<StoreWarning[]> {
  const info = await redis.info().then(fieldsOf, nullIfRefused)
  if (info === null) return [unknown('eviction, replication and persistence (INFO is refused)')]
  const warnings: StoreWarning[] = []
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    const text = `maxmemory-policy is ${policy}: when its memory is full, Redis drops sessions at random. Set noeviction.`
    warnings.push({ code: 'evicting', text })
  }
  if (info.get('role') === 'slave') {
    const text = 'This Redis is a replica: it refuses what is written, or loses it. Connect to its master.'
    warnings.push({ code: 'replica', text })
  }
  if (info.get('aof_enabled') !== '1') warnings.push(...(await snapshotWarnings(redis)))
  return warnings
}

async function snapshotWarnings(redis: Asked): Promise<StoreWarning[]> {
  const config = await redis.configGet('save').catch(nullIfRefused)
  if (config?.['save'] === undefined)
    return [unknown('whether snapshots are taken (CONFIG is refused; there is no append-only file)')]
  if (config['save'] !== '') return []
  const text = 'Nothing is kept on disk: when Redis restarts, everybody is logged out. Set appendonly yes.'
  return [{ code: 'not_persistent', text }]
}

function nullIfRefused(failure: unknown): null {
  if (errorReply(failure) === null) throw failure
  return null
}

function unknown(what: string): StoreWarning {
  return { code: 'unknown', text: `Not known: ${what}.` }
}

/** The lines `name:value` of INFO. */
function fieldsOf(info: string): ReadonlyMap<string, string> {
  const lines = info.split('\r\n')
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
