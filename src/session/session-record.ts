import type { SessionData } from 'express-session'
import type { TokenRecord } from '../storage/store.ts'
import type { SeenSession, UserBody } from '../wire.ts'
import { pickClaims } from './claims.ts'

/** What the session record says of its user; no token is among it. */
export interface SessionFacts {
  subject: string
  claims: UserBody['claims']
  /** Such as `Firefox on Linux`; `null` when its login did not say. */
  browser: string | null
  /** Store times in ms: when it began, and when it ends however much it is used. */
  beganAt: number
  endsAt: number
}

/** Further members, which a newer release may write, are ignored. */
const format = 1

/** The session record as text. A record that is not as we write it, of another format or none at all, is no session. */
export const sessionRecord = {
  stringify: (data: object) => JSON.stringify({ format, ...data }),
  parse(text: string): SessionData {
    try {
      const { format: its, cookie, facts } = JSON.parse(text)
      const known = its === format && typeof cookie?.path === 'string' && typeof facts?.claims?.sub === 'string'
      if (known && typeof facts.endsAt === 'number') return { cookie, facts }
    } catch {
      // Not even JSON.
    }
    return null as unknown as SessionData // connect-redis hands it on, where null means that there is none
  },
}

/** What a session record says of its user, `null` when it cannot be read. */
export function factsIn(record: string): SessionFacts | null {
  return sessionRecord.parse(record)?.facts ?? null
}

/** When and where a session is used. Its token record knows when it was last used. */
export function seenOf({ beganAt, browser }: SessionFacts, { extendedAt }: TokenRecord): SeenSession {
  const time = (storeMs: number) => new Date(storeMs).toISOString()
  return { beganAt: time(beganAt), lastSeenAt: time(extendedAt), browser }
}

/**
 * How a session record changes with a refreshed ID token: the configured claims that the token has replace those that
 * stand there. The others stay: they may have come from userinfo, and a provider may say less at a refresh. So does what
 * a newer release has added.
 * @returns the text of the new record; `null` when the old one is not as this version writes it
 */
export function refreshedRecord(names: readonly string[]) {
  return (text: string, idToken: Readonly<Record<string, unknown>>): string | null => {
    if (factsIn(text) === null) return null
    const record = JSON.parse(text) // as `factsIn` has found it
    const claims = { ...record.facts.claims, ...pickClaims(names, [idToken]) }
    return JSON.stringify({ ...record, facts: { ...record.facts, claims } })
  }
}
