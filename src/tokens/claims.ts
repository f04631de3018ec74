import { verifyIdToken } from '../relying-party/id-token.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'

/** Somebody else may write the record between our read and our write, though hardly twice. */
const mostTries = 3

/** The text of a session record with other claims, `null` when that is none. */
export type RefreshedRecord = (record: string, claims: Readonly<Record<string, unknown>>) => string | null

/** Brings what a refreshed ID token says of its user into the session record. */
export interface ClaimsRenewal {
  /**
   * In the background, after the refresh token beside it is durable: to verify a signature may mean to fetch keys, and
   * whatever comes of it the rotation must not wait for it nor suffer from it.
   */
  renew(stored: { ref: string; id: string }, idToken: string, accessToken: string): void
  /** Resolves when nothing is under way. */
  drain(): Promise<void>
}

export function createClaimsRenewal(
  provider: Provider,
  store: Store,
  refreshedRecord: RefreshedRecord,
  say: Say,
): ClaimsRenewal {
  const underWay = new Set<Promise<void>>()

  async function renew({ ref, id }: { ref: string; id: string }, idToken: string, accessToken: string): Promise<void> {
    const verdict = await verifyIdToken(provider, idToken, accessToken)
    if (verdict.is === 'refused') return say('id_token_refused', { ref, reason: verdict.reason })
    for (let tries = 0; tries < mostTries; tries += 1) {
      const before = await store.sessions.get(ref)
      const after = before === null ? null : refreshedRecord(before, verdict.claims)
      if (before === null || after === null || after === before) return
      if ((await store.tokens.rewriteSession(ref, { by: id, before, after })) === 'written') return
    }
  }

  return {
    renew(stored, idToken, accessToken) {
      // Failing that, the next refresh brings them again.
      const work = renew(stored, idToken, accessToken)
        .catch((error: unknown) => say('claims_failed', { ref: stored.ref }, error))
        .finally(() => underWay.delete(work))
      underWay.add(work)
    },
    async drain() {
      await Promise.all(underWay)
    },
  }
}
