import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { EndReason, Store, TokenRecord } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import { ownerOf } from '../tokens/token-set.ts'
import type { Tokens } from '../tokens/tokens.ts'
import type { SessionsBody } from '../wire.ts'
import type { TellRanOut } from './ran-out.ts'
import { createPublicNames } from './reference.ts'
import { factsIn, type SessionFacts, seenOf } from './session-record.ts'

/** What users may see of, and do to, all their sessions. Every function asks on behalf of one of them, named by `ref`. */
export interface UserSessions {
  /** @throws BffError `no_session` when the one that asks is over, `store_unreachable` */
  list(ref: string, facts: SessionFacts): Promise<SessionsBody['sessions']>
  /**
   * Ends one of the user's sessions.
   * @param id as `list` has it
   * @returns which it was, `null` when the user has none of that id
   * @throws as `list`
   */
  end(ref: string, facts: SessionFacts, id: string): Promise<'this' | 'other' | null>
  /** Ends all but the one that asks. @throws as `list` */
  endOthers(ref: string, facts: SessionFacts): Promise<void>
  /** Ends the oldest of those beyond `maxSessionsPerUser`. Never fails: the next login tries again. */
  limit(facts: SessionFacts): Promise<void>
}

interface Living {
  ref: string
  record: TokenRecord
}

export function createUserSessions(
  options: Options,
  store: Store,
  tokens: Tokens,
  tellRanOut: TellRanOut,
  say: Say,
): UserSessions {
  const names = createPublicNames(options.sessionSecret, 'session name')

  /** Oldest first. The index may name sessions that are over: the record decides. */
  async function livingOf({ subject }: SessionFacts): Promise<Living[]> {
    const refs = await store.subjects.list(ownerOf(options.issuer, subject))
    const records = await Promise.all(refs.map((ref) => store.tokens.read(ref)))
    return refs.flatMap((ref, at) => {
      const record = records[at]
      return record ? [{ ref, record }] : []
    })
  }

  async function livingFor(ref: string, facts: SessionFacts): Promise<Living[]> {
    const living = await livingOf(facts)
    if (living.some((one) => one.ref === ref)) return living
    await tellRanOut(ref)
    throw new BffError('no_session')
  }

  const endAll = async (sessions: readonly Living[], reason: EndReason) => {
    await Promise.all(sessions.map(({ ref }) => tokens.end(ref, reason)))
  }

  return {
    async list(own, facts) {
      const living = await livingFor(own, facts)
      const texts = await Promise.all(living.map(({ ref }) => store.sessions.get(ref)))
      return living.flatMap(({ ref, record }, at) => {
        const known = factsIn(texts[at] ?? '')
        if (known === null) return [] // not finished, or of another release
        return [{ id: names.of(ref), current: ref === own, ...seenOf(known, record) }]
      })
    },
    async end(own, facts, id) {
      const living = await livingFor(own, facts)
      const named = living.find(({ ref }) => names.isOf(ref, id))
      if (named === undefined) return null
      const is = named.ref === own ? 'this' : 'other'
      await tokens.end(named.ref, is === 'this' ? 'logout' : 'ended_elsewhere')
      return is
    },
    async endOthers(own, facts) {
      const living = await livingFor(own, facts)
      await endAll(
        living.filter(({ ref }) => ref !== own),
        'ended_elsewhere',
      )
    },
    async limit(facts) {
      const { maxSessionsPerUser: most } = options
      if (most === undefined) return
      try {
        const living = await livingOf(facts)
        await endAll(living.slice(0, Math.max(living.length - most, 0)), 'too_many_sessions')
      } catch (error) {
        say('session_limit_missed', {}, error)
      }
    },
  }
}
