import type { Store } from '../storage/store.ts'

/** A stream outlives the answer to "may this request pass", so that answer is asked for again at least so often. */
const recheckMs = 60_000

/** Why a stream is closed: its session has ended or run out, or this node is going away. */
export type CloseReason = 'session-ended' | 'going-away'

/** What is open on this node for longer than a request: WebSockets and event streams, by session. */
export interface OpenStreams {
  /**
   * Calls `close` once when the session has ended, whoever ended it and on whichever node, or has run out, or when this
   * node is going away.
   * @param ref `null` for a stream without a session
   * @returns what takes the stream off again
   */
  add(ref: string | null, close: (reason: CloseReason) => void): () => void
  /** This node is going away. */
  closeAll(): void
}

/** @param retryMs pause before a store that does not answer is asked again; streams stay open meanwhile */
export function createOpenStreams(store: Store, retryMs: number): OpenStreams {
  const open = new Map<
    string | null,
    { closers: Set<(reason: CloseReason) => void>; timer: NodeJS.Timeout | undefined }
  >()

  function close(ref: string | null, reason: CloseReason) {
    const session = open.get(ref)
    open.delete(ref)
    clearTimeout(session?.timer)
    for (const closer of session?.closers ?? []) closer(reason)
  }

  /** Looks whether the session is still there, and again when it would run out, or after a while. */
  async function check(ref: string) {
    const next = await store.tokens.remaining(ref).then(
      (left) => (left.is === 'gone' ? null : Math.min(left.idleMs + 1, left.absoluteMs + 1, recheckMs)),
      () => retryMs,
    )
    if (next === null) return close(ref, 'session-ended')
    const session = open.get(ref)
    if (session === undefined) return
    clearTimeout(session.timer)
    session.timer = setTimeout(() => void check(ref), next).unref()
  }

  store.onChange((change) => {
    if (change.is === 'ended') close(change.ref, 'session-ended')
    // Ends may have been missed.
    else if (change.is === 'reconnected') for (const ref of open.keys()) if (ref !== null) void check(ref)
  })

  return {
    add(ref, closer) {
      const session = open.get(ref) ?? { closers: new Set(), timer: undefined }
      open.set(ref, session)
      session.closers.add(closer)
      // The session may have ended since its record was read.
      if (ref !== null) void check(ref)
      return () => {
        session.closers.delete(closer)
        if (session.closers.size > 0 || open.get(ref) !== session) return
        clearTimeout(session.timer)
        open.delete(ref)
      }
    },
    closeAll() {
      for (const ref of [...open.keys()]) close(ref, 'going-away')
    },
  }
}
