import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What no single option can see. Read off the input as it came, so that it is reported together with everything else.
 * @param input with `port` and `basePath` filled in
 */
export function contradictions(input: object, facts: { production: boolean }): string[] {
  const raw: { [name: string]: unknown } = { ...input }
  const found: string[] = []
  const byKey =
    raw['clientAuth'] === 'private_key_jwt' || (raw['clientAuth'] === undefined && raw['clientKeys'] !== undefined)
  if (byKey && raw['clientKeys'] === undefined) found.push('clientKeys: required for private_key_jwt')
  if (!byKey && raw['clientSecret'] === undefined) found.push('clientSecret: required')
  if (raw['decryptionKeys'] !== undefined && raw['decryptionKeys'] === raw['clientKeys']) {
    found.push('decryptionKeys: must be other keys than clientKeys, for a key is shown for one use')
  }
  if (raw['store'] === 'redis' && raw['redisUrl'] === undefined) found.push('store: redis needs redisUrl')
  if (raw['store'] === 'memory' && raw['redisUrl'] !== undefined) found.push('store: memory contradicts redisUrl')
  if (raw['store'] === undefined && raw['redisUrl'] === undefined && facts.production) {
    found.push('redisUrl: required in production (store: memory accepts sessions that are lost on restart)')
  }
  if (typeof raw['spa'] === 'string' && raw['spa'] !== '' && !existsSync(join(raw['spa'], 'index.html'))) {
    found.push(`spa: there is no index.html in ${raw['spa']}`)
  }
  if (raw['cookiePrefix'] !== undefined && String(raw['publicUrl']).startsWith('http:')) {
    found.push('cookiePrefix: needs an https publicUrl, or no browser keeps the cookie')
  }
  if (raw['spaSources'] !== undefined && raw['spa'] === undefined) found.push('spaSources: needs spa')
  if (raw['adminSecret'] !== undefined && raw['adminPort'] === undefined) found.push('adminSecret: needs adminPort')
  if (raw['adminPort'] !== undefined && raw['adminPort'] !== 0 && raw['adminPort'] === raw['port']) {
    found.push('adminPort: must differ from port')
  }
  if (typeof raw['workers'] === 'number' && raw['workers'] > 1 && raw['redisUrl'] === undefined) {
    found.push("workers: more than one needs redisUrl, or they would not know each other's sessions")
  }
  const base = String(raw['basePath']).toLowerCase()
  const seen = new Set<string>()
  for (const entry of Array.isArray(raw['routes']) ? raw['routes'] : []) {
    const path: unknown = typeof entry === 'object' && entry !== null ? entry.path : undefined
    if (typeof path !== 'string') continue
    const { token, scope, accessToken, exchange } = entry
    if (exchange !== undefined && accessToken !== undefined)
      found.push(`routes: ${path} has both accessToken and exchange`)
    if (exchange !== undefined && token === 'client') found.push(`routes: ${path} has no user's token to exchange`)
    if (token === 'none' && (accessToken ?? exchange) !== undefined) {
      found.push(`routes: ${path} goes without a token, and says what for`)
    }
    if (scope !== undefined && (token === 'none' || token === 'optional')) {
      found.push(`routes: ${path} demands a scope, and lets in whoever comes without a session`)
    }
    const folded = path.toLowerCase()
    if (seen.has(folded)) found.push(`routes: ${path} is there twice (paths may not differ by case alone)`)
    seen.add(folded)
    if (`${folded}/`.startsWith(`${base}/`))
      found.push(`routes: ${path} lies under ${raw['basePath']}, where our own endpoints are`)
  }
  return found
}
