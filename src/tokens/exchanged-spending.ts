import { exchangeToken } from '../relying-party/token-exchange.ts'
import { AccessToken } from './access-token.ts'
import type { Seal } from './seal.ts'
import { nullIfNotNow, type Spendable, type Spending, spendableOf } from './spendable.ts'
import type { SpendingParts } from './spending-parts.ts'
import type { TokenTarget } from './token-target.ts'

/** Somebody else may write the record between our read and our write, though hardly twice. */
const mostTries = 3

/**
 * Access tokens that the session's own is exchanged for (RFC 8693). They are kept in the session's record until the own
 * one is refreshed; one that is lost on the way there is asked for again.
 */
export function createExchangedSpending(
  { options, store, seal, provider, records, denials, say }: SpendingParts & { seal: Seal },
  target: TokenTarget,
  own: Spending,
): Spending {
  const beforeMs = options.refreshBeforeSeconds * 1000
  const underWay = new Map<string, Promise<Spendable>>()

  /** The exchange that is under way for a session, or a new one. */
  function exchanged(ref: string, afterRejection: boolean): Promise<Spendable> {
    const known = underWay.get(ref)
    if (known !== undefined) return known
    const work = ask(ref, afterRejection).finally(() => underWay.delete(ref))
    underWay.set(ref, work)
    return work
  }

  async function ask(ref: string, afterRejection: boolean): Promise<Spendable> {
    const standing = denials.standing(ref, target)
    if (standing !== null) throw standing
    const subject = await own.spendable(ref)
    const answer = await exchangeToken(provider, subject.accessToken, target.parameters)
    if (answer.is === 'not_granted') throw denials.notGranted(ref, target)
    if (answer.is === 'failed') throw denials.failed(ref, target, answer.cause)
    say('token_issued', { ref, by: target.by, target: target.key })
    // RFC 8693, section 2.2.1: not said means as asked for.
    const scope = answer.tokens.scope ?? target.parameters['scope'] ?? subject.scope
    const token = AccessToken.issued(answer.tokens, store.now(), options.defaultTokenSeconds * 1000, {
      scope,
      afterRejection,
    })
    await keep(ref, subject.accessToken, token)
    return { accessToken: token.value, scope, signedIn: subject.signedIn }
  }

  /** @throws BffError `no_session` when the session has ended meanwhile, `store_unreachable` when nobody knows */
  async function keep(ref: string, subjectToken: string, token: AccessToken): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { record, tokens } = records.readable(ref, await store.tokens.read(ref))
      if (tokens.own.value !== subjectToken) return
      const after = tokens.exchanged(target, token, store.now()).seal(seal, ref)
      const is = await store.tokens.rewriteSet(ref, { before: record.set, after }).catch(() => 'changed')
      if (is === 'written') return
    }
  }

  async function spendable(ref: string): Promise<Spendable> {
    const { record, tokens } = records.readable(ref, await store.tokens.read(ref))
    const now = store.now()
    records.use(ref, record, now)
    const token = tokens.of(target)
    if (token === undefined || token.left(now) <= 0) return exchanged(ref, false)
    if (token.isInWindow(now, beforeMs)) exchanged(ref, false).catch(() => undefined) // this one will do
    return spendableOf(token, tokens, now)
  }

  return {
    spendable,
    async insteadOf(ref, refused) {
      const { tokens } = records.readable(ref, await store.tokens.read(ref))
      const token = tokens.of(target)
      if (token?.value !== refused.accessToken) return spendable(ref)
      return token.afterRejection ? null : exchanged(ref, true).catch(nullIfNotNow)
    },
  }
}
