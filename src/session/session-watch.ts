import { type Left, type OpenStreams, soonMs } from '../tokens/open-streams.ts'
import type { Tokens } from '../tokens/tokens.ts'
import type { SessionEvents, SessionLeft } from '../wire.ts'
import type { TellRanOut } from './ran-out.ts'

/** Tells of one session what its browser should hear. */
export interface SessionWatch {
  /**
   * @returns `null` when the session is over
   * @throws BffError `no_session` when it is there and cannot be read here, `store_unreachable`
   */
  left(ref: string): Promise<SessionLeft | null>
  /**
   * @param tell `expiring` again after each time that the session was used meanwhile; after `ended` nothing follows
   * @param leave called when this node is going away: another one can be asked at once
   * @returns what ends the watch
   */
  watch(ref: string, tell: Tell, leave: () => void): () => void
}

export type Tell = <E extends keyof SessionEvents>(event: E, data: SessionEvents[E]) => void

export function createSessionWatch(tokens: Tokens, streams: OpenStreams, tellRanOut: TellRanOut): SessionWatch {
  return {
    async left(ref) {
      const left = await tokens.remaining(ref, false)
      if (left.is === 'remaining') return inSeconds(left)
      await tellRanOut(ref)
      return null
    },
    watch(ref, tell, leave) {
      let told = false
      return streams.add(ref, {
        left(left) {
          const isSoon = Math.min(left.idleMs, left.absoluteMs) <= soonMs
          if (isSoon && !told) tell('expiring', inSeconds(left))
          told = isSoon
        },
        close(closing) {
          if (closing.is === 'ended') tell('ended', { reason: closing.reason })
          else leave()
        },
      })
    },
  }
}

/** In whole seconds, as the browser is told. */
export function inSeconds({ absoluteMs, idleMs }: Left): SessionLeft {
  const seconds = (ms: number) => Math.max(Math.floor(ms / 1000), 0)
  return { expiresIn: seconds(absoluteMs), idleExpiresIn: seconds(idleMs) }
}
