import type { Options } from '../options.ts'
import type { EndReason, Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import { inBatches } from './batches.ts'
import type { Directory, LoggedOut } from './directory.ts'
import type { createOpenedSets } from './opened-sets.ts'
import { untilDefinite } from './repeat.ts'
import { isRevokedAfter, type Revoker } from './revoker.ts'
import type { TokenSet } from './token-set.ts'

/** How sessions end: their records first; what they could still spend is revoked in the background, where it should be. */
export interface Endings {
  /**
   * Ends a session.
   * @returns what it held, `null` when there was nothing left to end
   * @throws BffError `store_unreachable`
   */
  end(ref: string, reason: EndReason): Promise<TokenSet | null>
  /**
   * Ends what the provider has logged out: all of a user's sessions or, with `sid`, those of one session there, and where
   * the user is named too those whose login brought no `sid`. A login that is still on its way from before that moment
   * becomes no session.
   * @returns `false`, and nothing has ended, when session and user do not belong together
   * @throws BffError `store_unreachable`: some may have ended; to be repeated
   */
  endAll(loggedOut: LoggedOut, reason: EndReason): Promise<boolean>
}

export function createEndings(parts: {
  options: Options
  store: Store
  open: ReturnType<typeof createOpenedSets>
  directory: Directory
  revoker: Revoker
  say: Say
}): Endings {
  const { store, open, directory, revoker, say } = parts
  const { storeBudget, retry } = parts.options.timing

  const end: Endings['end'] = async (ref, reason) => {
    const ended = await untilDefinite(() => store.tokens.end(ref, reason, null), storeBudget, retry)
    if (ended.is === 'none' || ended.is === 'notMine' || ended.set === null) return null
    if (ended.is === 'ended') say('session_ended', { ref, reason })
    const tokens = open(ref, ended.set)
    if (tokens === null) return null
    const when = ended.is === 'ended' ? 'at its end' : 'later'
    const revoked = isRevokedAfter(ended.reason, tokens) ? revoker.revoke(ref, tokens, when) : Promise.resolve()
    // Nobody waits for it: the entry names a session that is over, and is dropped in time.
    revoked.then(() => store.subjects.ended(tokens.owner, [ref])).catch(() => undefined)
    return tokens
  }

  return {
    end,
    async endAll(loggedOut, reason) {
      const refs = await directory.logOut(loggedOut)
      if (refs === null) return false
      await inBatches(refs, (ref) => end(ref, reason))
      await directory.leave(loggedOut, refs)
      return true
    },
  }
}
