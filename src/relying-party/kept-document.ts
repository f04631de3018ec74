/** When a first fetch has failed, the next one waits for so long, in milliseconds, so that logins do not hammer the provider. */
const retryMs = 1_000

/** The same where there is an older document to go on with. */
const retryRenewalMs = 5_000

export interface KeptOptions {
  /** Milliseconds after which a document is fetched anew. */
  maxAgeMs: number
  /** Milliseconds between two fetches that `renewed` asks for. */
  renewalMs: number
}

/** A document that the provider publishes: fetched when first needed, and kept. */
export interface KeptDocument<T> {
  /**
   * As it was last fetched. An old one is fetched anew in the background, and serves until that succeeds.
   * @throws whatever the first fetch threw
   */
  current(): Promise<T>
  /**
   * Fetched anew because something is missing in it, but not more often than every `renewalMs`: then it is as it was.
   * @throws whatever the fetch threw
   */
  renewed(): Promise<T>
}

export function keepDocument<T>(fetchIt: () => Promise<T>, { maxAgeMs, renewalMs }: KeptOptions): KeptDocument<T> {
  let kept: { document: T; at: number } | undefined
  let fetching: Promise<T> | undefined
  let renewedAt = Number.NEGATIVE_INFINITY

  /** One fetch for all who need it; a failed one stands for a while. */
  function fetchOnce(): Promise<T> {
    fetching ??= fetchIt().then(
      (document) => {
        kept = { document, at: performance.now() }
        fetching = undefined
        return document
      },
      (error: unknown) => {
        setTimeout(() => (fetching = undefined), kept === undefined ? retryMs : retryRenewalMs).unref()
        throw error
      },
    )
    return fetching
  }

  return {
    async current() {
      if (kept === undefined) return fetchOnce()
      if (performance.now() - kept.at > maxAgeMs) fetchOnce().catch(() => undefined)
      return kept.document
    },
    async renewed() {
      if (kept === undefined || fetching !== undefined) return fetchOnce()
      if (performance.now() - renewedAt < renewalMs) return kept.document
      renewedAt = performance.now()
      return fetchOnce()
    },
  }
}
