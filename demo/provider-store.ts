import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Where the provider keeps sessions, grants and tokens. */
export interface ProviderStore {
  /** The storage `oidc-provider` asks for, one per kind of record. */
  adapter(kind: string): Adapter
  /** Forgets every grant and its tokens: the next refresh is refused. Returns how many grants there were. */
  revokeGrants(): number
}

interface Entry {
  payload: AdapterPayload
  expiresAt: number
}

const grantBound = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

/**
 * A store in memory without a size limit. The one that comes with the library forgets the least recently used of 1000
 * records, so that a long test would see sessions end for no reason of its own.
 * @param leewaySeconds for so long the refresh token that was used last in its grant counts as unused
 */
export function createProviderStore(leewaySeconds: number): ProviderStore {
  const entries = new Map<string, Entry>()
  const byGrant = new Map<string, Set<string>>()
  const byUid = new Map<string, string>()
  const lastUsed = new Map<string, { key: string; until: number }>()
  let writes = 0

  function read(key: string): AdapterPayload | undefined {
    const entry = entries.get(key)
    if (!entry) return undefined
    if (entry.expiresAt > Date.now()) return entry.payload
    remove(key)
    return undefined
  }

  function remove(key: string): void {
    const payload = entries.get(key)?.payload
    entries.delete(key)
    if (payload?.uid) byUid.delete(payload.uid)
    if (payload?.grantId) byGrant.get(payload.grantId)?.delete(key)
  }

  function sweep(): void {
    writes += 1
    if (writes % 1000 !== 0) return
    for (const key of [...entries.keys()]) read(key)
    for (const [grantId, keys] of byGrant) {
      if (keys.size === 0) byGrant.delete(grantId)
    }
  }

  function revoke(grantId: string): void {
    for (const key of byGrant.get(grantId) ?? []) entries.delete(key)
    byGrant.delete(grantId)
    lastUsed.delete(grantId)
  }

  function isInLeeway(key: string, { grantId = '' }: AdapterPayload): boolean {
    const last = lastUsed.get(grantId)
    return last?.key === key && Date.now() < last.until
  }

  return {
    adapter: (kind) => ({
      async upsert(id, payload, expiresIn) {
        const key = `${kind}:${id}`
        remove(key)
        entries.set(key, { payload, expiresAt: expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000 })
        if (kind === 'Session' && payload.uid) byUid.set(payload.uid, key)
        if (grantBound.has(kind) && payload.grantId) {
          byGrant.set(payload.grantId, (byGrant.get(payload.grantId) ?? new Set()).add(key))
        }
        sweep()
      },
      async find(id) {
        const payload = read(`${kind}:${id}`)
        if (payload?.consumed === undefined || !isInLeeway(`${kind}:${id}`, payload)) return payload
        const { consumed: _, ...unused } = payload
        return unused
      },
      async findByUid(uid) {
        const key = byUid.get(uid)
        return key === undefined ? undefined : read(key)
      },
      // Only the device flow has user codes, and it is off.
      async findByUserCode() {
        return undefined
      },
      async consume(id) {
        const payload = read(`${kind}:${id}`)
        if (payload) payload.consumed = Math.floor(Date.now() / 1000)
        if (payload?.grantId && kind === 'RefreshToken') {
          lastUsed.set(payload.grantId, { key: `${kind}:${id}`, until: Date.now() + leewaySeconds * 1000 })
        }
      },
      async destroy(id) {
        remove(`${kind}:${id}`)
      },
      async revokeByGrantId(grantId) {
        revoke(grantId)
      },
    }),
    revokeGrants() {
      const keys = [...entries.keys()].filter((key) => key.startsWith('Grant:'))
      for (const key of keys) {
        entries.delete(key)
        revoke(key.slice('Grant:'.length))
      }
      return keys.length
    },
  }
}
