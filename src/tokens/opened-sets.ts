import { createRecent } from '../remember.ts'
import type { Say } from '../telemetry/events.ts'
import type { Seal } from './seal.ts'
import { TokenSet } from './token-set.ts'

/** Opened sets that are kept in memory; the record itself is read anew by every request. */
const rememberedSets = 10_000

/**
 * Opens the sealed set of a session's record. `null`, and said, for one that this node cannot read. That is no session
 * here, but not ended either: while a new secret or a new release is being rolled out, other nodes can still read it.
 */
export function createOpenedSets(seal: Seal, say: Say): (ref: string, sealed: string) => TokenSet | null {
  // Under `ref`, and compared: to look a sealed set up itself would hash thousands of bytes for each request.
  // Kept when a session is asked for the second time: with more of them than are kept, nothing would be but garbage.
  const opened = createRecent<{ sealed: string; tokens: TokenSet } | null>(rememberedSets)

  return (ref, sealed) => {
    const known = opened.get(ref)
    if (known?.sealed === sealed) return known.tokens
    const tokens = TokenSet.open(seal, ref, sealed)
    if (tokens === null) say('session_unreadable', { ref, reason: seal.hasKeyOf(sealed) ? 'format' : 'key_removed' })
    else opened.set(ref, known === undefined ? null : { sealed, tokens })
    return tokens
  }
}
