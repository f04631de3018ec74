import type { Options } from '../options.ts'
import type { IdTokenClaims } from '../relying-party/authorization-code.ts'
import type { SessionIndex } from '../storage/session-index.ts'
import type { Store } from '../storage/store.ts'
import type { Seal } from './seal.ts'
import { ownerOf, TokenSet } from './token-set.ts'

/** Whom, or which of their sessions, the provider says it has logged out. At least one of both is there. */
export interface LoggedOut {
  issuer: string
  subject: string | null
  /** The provider's own session id. */
  sid: string | null
  /** Seconds by the provider's clock. */
  at: number
}

/** Sessions by the names that the provider has for them: its user (`sub`), and its own session (`sid`). */
export interface Directory {
  /** Enters a session that is about to begin: no living session is ever missing. */
  enter(ref: string, claims: IdTokenClaims): Promise<void>
  /** Whether the provider has logged them out since it issued this ID token. To be asked when the session has begun. */
  isLoggedOut(claims: IdTokenClaims): Promise<boolean>
  /**
   * Notes a logout, and then looks: a session that begins meanwhile either is found or finds the note.
   * @returns the sessions to be ended; `null` when one of this `sid` is not this subject's
   */
  logOut(loggedOut: LoggedOut): Promise<string[] | null>
  /** Takes off what has ended. */
  leave(loggedOut: LoggedOut, refs: readonly string[]): Promise<void>
}

/** A name, and where it is one. */
interface Entry {
  index: SessionIndex
  owner: string
}

export function createDirectory(options: Options, store: Store, seal: Seal): Directory {
  // The same for every session, however short its own life: the index is in the order of their beginnings.
  const longestMs = options.absoluteTimeoutSeconds * 1000

  const bySubject = (issuer: string, subject: string): Entry => ({
    index: store.subjects,
    owner: ownerOf(issuer, subject),
  })
  const bySid = (issuer: string, sid: string): Entry => ({ index: store.sids, owner: ownerOf(issuer, sid) })
  // Beside the sids, under a name that is no provider's: one more array around whose they are.
  const withoutSid = (issuer: string, subject: string): Entry => ({
    index: store.sids,
    owner: JSON.stringify([ownerOf(issuer, subject)]),
  })

  /**
   * Where to look for those who have been logged out. Which session at the provider a login without `sid` came from is
   * not to be known: it may be the one that is named (Back-Channel Logout 1.0, section 2.7).
   */
  function placesOf({ issuer, subject, sid }: LoggedOut): Entry[] {
    if (sid === null) return [bySubject(issuer, subject ?? '')]
    return subject === null ? [bySid(issuer, sid)] : [bySid(issuer, sid), withoutSid(issuer, subject)]
  }

  /** Every name under which a login is entered. */
  function entriesOf({ iss, sub, sid }: IdTokenClaims): Entry[] {
    return [bySubject(iss, sub), typeof sid === 'string' ? bySid(iss, sid) : withoutSid(iss, sub)]
  }

  async function isSomebodyElses(ref: string, subject: string): Promise<boolean> {
    const record = await store.tokens.read(ref)
    const tokens = record === null ? null : TokenSet.open(seal, ref, record.set)
    return tokens !== null && tokens.subject !== subject
  }

  return {
    async enter(ref, claims) {
      await Promise.all(entriesOf(claims).map(({ index, owner }) => index.began(owner, ref, longestMs)))
    },

    async isLoggedOut(claims) {
      const logouts = await Promise.all(entriesOf(claims).map(({ index, owner }) => index.loggedOutAt(owner)))
      // Both times are the provider's. What it says after a logout, it says knowing of it.
      const issuedAt = Number(claims['iat'])
      return logouts.some((at) => at !== null && !(issuedAt > at))
    },

    async logOut(loggedOut) {
      const { issuer, sid, subject, at } = loggedOut
      if (sid !== null && subject !== null) {
        const { index, owner } = bySid(issuer, sid)
        const strangers = await Promise.all((await index.list(owner)).map((ref) => isSomebodyElses(ref, subject)))
        if (strangers.includes(true)) return null
      }
      const places = placesOf(loggedOut)
      await Promise.all(places.map(({ index, owner }) => index.loggedOut(owner, at, options.timing.ended)))
      return (await Promise.all(places.map(({ index, owner }) => index.list(owner)))).flat()
    },

    async leave(loggedOut, refs) {
      await Promise.all(placesOf(loggedOut).map(({ index, owner }) => index.ended(owner, refs)))
    },
  }
}
