import type { GoneReason, Remaining, Store } from '../storage/store.ts'
import type { Timing } from '../timing.ts'
import type { Limit, RanOut } from './ran-out.ts'

/** Whoever wants to be told what is left is told at the latest when so little is. */
export const soonMs = 60_000

/** How a session ended, as far as it can be known: `expired` when nothing tells which of its limits was reached. */
export type EndOfSession = GoneReason | Limit

/** Why a stream is closed: its session has ended or run out, or this node is going away. */
export type Closing = { is: 'ended'; reason: EndOfSession } | { is: 'going-away' }

export type Left = Exclude<Remaining, { is: 'gone' }>

/** What one stream wants to be told. */
export interface Stream {
  /** Called once. */
  close(closing: Closing): void
  /** What is left of the session, whenever that has been looked at. */
  left?(left: Left): void
}

/** What is open on this node for longer than a request: WebSockets and event streams, by session. */
export interface OpenStreams {
  /**
   * Closes the stream when the session has ended, whoever ended it and on whichever node, or has run out, or when this
   * node is going away.
   * @param ref `null` for a stream without a session
   * @returns what takes the stream off again
   */
  add(ref: string | null, stream: Stream): () => void
  /** This node is going away: closes what is open, and at once what is still opened. */
  closeAll(): void
}

interface Open {
  streams: Set<Stream>
  timer: NodeJS.Timeout | undefined
  /** Store time in ms; `undefined` until it is known. */
  endsAt: number | undefined
}

export function createOpenStreams(store: Store, timing: Timing, ranOut: RanOut): OpenStreams {
  const open = new Map<string | null, Open>()
  let isLeaving = false

  function close(ref: string | null, closing: Closing) {
    const session = open.get(ref)
    open.delete(ref)
    clearTimeout(session?.timer)
    for (const stream of session?.streams ?? []) stream.close(closing)
  }

  function closeRunOut(ref: string, { endsAt }: Open) {
    if (endsAt === undefined) return close(ref, { is: 'ended', reason: 'expired' })
    const { reason, said } = ranOut(ref, endsAt)
    said.catch(() => undefined) // then whoever sees it next says so
    close(ref, { is: 'ended', reason })
  }

  /** Looks whether the session is still there, and again when it would run out, or after a while. */
  async function check(ref: string) {
    const found = await store.tokens.remaining(ref).catch(() => null)
    const session = open.get(ref)
    if (session === undefined) return
    // While the store does not answer, streams stay open, but not past the end that no use would have put off.
    let next = timing.storeBudget
    if (found === null) {
      const left = (session.endsAt ?? Number.POSITIVE_INFINITY) - store.now()
      if (left <= 0) return close(ref, { is: 'ended', reason: 'absolute' })
      next = Math.min(next, left)
    } else {
      if (found.is === 'gone') {
        return found.reason === 'expired'
          ? closeRunOut(ref, session)
          : close(ref, { is: 'ended', reason: found.reason })
      }
      session.endsAt = store.now() + found.longestMs
      for (const stream of session.streams) stream.left?.(found)
      const left = Math.min(found.idleMs, found.absoluteMs) + 1
      // A stream outlives the answer to "may this request pass", so it is asked for again.
      next = Math.min(left > soonMs ? left - soonMs : left, timing.recheck)
    }
    clearTimeout(session.timer)
    session.timer = setTimeout(() => void check(ref), next).unref()
  }

  store.onChange((change) => {
    if (change.is === 'ended') close(change.ref, { is: 'ended', reason: change.reason })
    // Ends may have been missed.
    else if (change.is === 'reconnected') for (const ref of open.keys()) if (ref !== null) void check(ref)
  })

  return {
    add(ref, stream) {
      if (isLeaving) {
        stream.close({ is: 'going-away' })
        return () => undefined
      }
      const session = open.get(ref) ?? { streams: new Set(), timer: undefined, endsAt: undefined }
      open.set(ref, session)
      session.streams.add(stream)
      // The session may have ended since its record was read.
      if (ref !== null) void check(ref)
      return () => {
        session.streams.delete(stream)
        if (session.streams.size > 0 || open.get(ref) !== session) return
        clearTimeout(session.timer)
        open.delete(ref)
      }
    },
    closeAll() {
      // What was asked for before may open only now.
      isLeaving = true
      for (const ref of [...open.keys()]) close(ref, { is: 'going-away' })
    },
  }
}
