import { presentRefreshToken, type RefreshAnswer, type RefreshRequest } from '../relying-party/refresh-grant.ts'
import { ownParameters } from '../relying-party/resources.ts'
import type { EndReason, Gone, TokenRecord } from '../storage/store.ts'
import { backoffAfter } from './backoff.ts'
import type { Cycle, Flight, FlightParts, Landed, Overtaken, Presented } from './flight-parts.ts'
import { createMark, type Mark } from './mark.ts'
import { releaseLease } from './release-lease.ts'
import { untilDefinite } from './repeat.ts'
import { isRevokedAfter } from './revoker.ts'
import { TokenSet } from './token-set.ts'

/**
 * The flight that holds the lease: mark, ask, store (`docs/refresh-protocol.md`, "Flight that holds the lease").
 * @param record as acquire returned it
 * @throws BffError `store_unreachable`
 */
export async function present(
  parts: FlightParts,
  flight: Flight,
  cycle: Cycle,
  record: TokenRecord,
): Promise<Presented> {
  const { store, options, say, seal } = parts
  const { ref } = flight
  const waitedMs = Math.round(performance.now() - flight.began)
  const tokens = TokenSet.open(seal, ref, record.set)
  const refreshToken = tokens?.refreshToken ?? null
  const release = (left: number, declined: number, backoffMs: number) =>
    releaseLease(parts, cycle, { left, declined, backoffMs })
  if (tokens === null || refreshToken === null) {
    // For those who can read it: the set has been written anew since it was seen.
    await release(0, record.declined, 0)
    return { is: 'later', afterMs: options.timing.decline }
  }

  const mark = createMark(store, options.timing, cycle, record.attempt)
  let { target } = flight.wanted
  let presentation = record.attempt === null ? 1 : record.unanswered + 1
  try {
    for (;;) {
      const parameters = target === null ? ownParameters(options) : target.parameters
      const request = { refreshToken, expected: tokens, parameters }
      const answer = await ask(parts, mark, request, presentation).catch(async (error: unknown) => {
        await release(presentation - 1, record.declined, presentation > 1 ? options.timing.silence : 0)
        throw error
      })
      if (answer.is === 'gone' || answer.is === 'overtaken') return answer
      const { is } = answer
      say('refresh', {
        ref,
        outcome: is,
        cause: flight.wanted.refused === null ? 'age' : 'rejected',
        ...(target === null ? {} : { target: target.key }),
        version: cycle.version,
        presentation,
        joined: flight.joined,
        waitedMs,
        askedMs: answer.askedMs,
        ms: Math.round(performance.now() - flight.began),
        ...(is === 'declined' ? { status: answer.status, error: answer.error } : {}),
      })
      if (is === 'issued') {
        const at = store.now()
        const afterRejection = flight.wanted.refused !== null
        const fresh = tokens.refreshed(answer.tokens, at, options.defaultTokenSeconds * 1000, {
          target,
          afterRejection,
        })
        flight.held = { ...cycle, tokens: fresh }
        const kept = await keep(parts, cycle, presentation, fresh)
        const { idToken, accessToken } = answer.tokens
        if (kept.is === 'tokens' && idToken !== null) parts.claims.renew(cycle, idToken, accessToken ?? '')
        return kept.is === 'tokens' && target !== flight.wanted.target ? notGranted(parts, flight) : kept
      }
      if (is === 'silent') {
        if (presentation === 1) {
          presentation = 2
          continue
        }
        const backoffMs = backoffAfter(answer, presentation, record.declined, options.timing)
        await release(presentation, record.declined, backoffMs)
        return { is: 'later', afterMs: backoffMs }
      }
      if (is === 'refused' && target !== null) {
        // Some say so of a target that the user has not consented to: what the session itself may have tells.
        target = null
        continue
      }
      if (is === 'refused') return await end(parts, cycle, presentation === 1 ? 'refused' : 'rotation_lost')
      if (is === 'subject_changed') {
        say('subject_changed', { ref })
        const strangers = tokens.refreshed(answer.tokens, store.now(), 0, { target, afterRejection: false })
        parts.revoker.revoke(ref, strangers, 'later')
        return await end(parts, cycle, 'subject_changed')
      }
      if (is === 'declined' && answer.isOfTarget && target !== null) {
        await release(presentation - 1, record.declined, 0)
        return notGranted(parts, flight)
      }
      // Declined or unsent: the token was not used up.
      const backoffMs = backoffAfter(answer, presentation, record.declined, options.timing)
      await release(presentation - 1, record.declined + 1, backoffMs)
      return { is: 'later', afterMs: backoffMs }
    }
  } finally {
    mark.stop()
  }
}

/** What is refused is the target: the session stays as it is. */
function notGranted({ denials }: FlightParts, { ref, wanted: { target } }: Flight): Landed {
  if (target !== null) denials.notGranted(ref, target)
  return { is: 'not_granted' }
}

/** `askedMs`: from the moment the request went out until there was an answer, or none was waited for any more. */
type Asked = RefreshAnswer & { askedMs: number }

/** Marks, then sends at once; marks again when too much time went by between the two. */
async function ask(
  { provider, health, options }: FlightParts,
  mark: Mark,
  request: RefreshRequest,
  presentation: number,
): Promise<Asked | Gone | Overtaken> {
  for (;;) {
    const marked = await mark.confirm(presentation)
    if (marked.is === 'gone') return marked
    if (marked.is === 'changed') return { is: 'overtaken', record: marked.record }
    if (marked.is === 'lost') return { is: 'overtaken', record: null }

    let withdrawn = false
    let sentAt = performance.now()
    const answer = await presentRefreshToken(provider, request, {
      timeoutMs: presentation === 1 ? options.timing.ask : options.timing.askAgain,
      beforeSend() {
        withdrawn = !mark.isFresh()
        sentAt = performance.now()
        return !withdrawn
      },
    })
    if (answer.is === 'silent') health.silent('ours')
    else if (answer.is !== 'unsent') health.answered()
    if (!withdrawn) return { ...answer, askedMs: Math.round(performance.now() - sentAt) }
  }
}

/** Makes a result durable. Nothing is awaited between the provider's answer and the first try. */
async function keep(
  { store, seal, options, revoker, say }: FlightParts,
  cycle: Cycle,
  presentation: number,
  tokens: TokenSet,
): Promise<Presented> {
  const { ref } = cycle
  const { grantEndsAt } = tokens
  const write = { ...cycle, unanswered: presentation, set: tokens.seal(seal, ref), grantEndsAt }
  const replaced = await untilDefinite(
    () => store.tokens.replace(ref, write),
    options.timing.persist,
    options.timing.retry,
  ).catch((error: unknown) => {
    say('rotation_lost', { ref, version: cycle.version })
    throw error
  })
  if (replaced.is === 'stored') return { is: 'tokens', tokens }
  // A newer one stands there, of the same family: revoking ours would kill it.
  if (replaced.is === 'stale') return { is: 'overtaken', record: replaced.record }
  if (isRevokedAfter(replaced.reason, tokens)) revoker.revoke(ref, tokens, 'later')
  return replaced
}

/** The provider has ended it. The fence keeps an overtaken flight from ending what its successor holds. */
async function end({ store, options, say }: FlightParts, cycle: Cycle, reason: EndReason): Promise<Presented> {
  const { storeBudget, retry } = options.timing
  const ended = await untilDefinite(() => store.tokens.end(cycle.ref, reason, cycle), storeBudget, retry)
  if (ended.is === 'notMine') return { is: 'overtaken', record: null }
  say('session_ended', { ref: cycle.ref, reason })
  return { is: 'gone', reason }
}
