import { clientCredentials } from '../relying-party/client-credentials.ts'
import { AccessToken } from './access-token.ts'
import { nullIfNotNow, type Spendable, type Spending, spendableOf } from './spendable.ts'
import type { SpendingParts } from './spending-parts.ts'
import type { TokenSet } from './token-set.ts'
import type { TokenTarget } from './token-target.ts'

/**
 * Access tokens of the client itself, for whoever is logged in: one for all sessions, in this process. What a route
 * demands of its users it still demands of the session.
 */
export function createClientSpending(
  { options, store, provider, records, denials, say }: SpendingParts,
  target: TokenTarget,
): Spending {
  const beforeMs = options.refreshBeforeSeconds * 1000
  let token: AccessToken | undefined
  let underWay: Promise<AccessToken> | undefined

  /** What the request that is under way brings, or a new one. */
  function renewed(afterRejection: boolean): Promise<AccessToken> {
    underWay ??= ask(afterRejection).finally(() => {
      underWay = undefined
    })
    return underWay
  }

  async function ask(afterRejection: boolean): Promise<AccessToken> {
    const standing = denials.standing(null, target)
    if (standing !== null) throw standing
    const answer = await clientCredentials(provider, target.parameters)
    // Nothing that a user lacks: the operator has to look.
    if (answer.is !== 'issued') throw denials.failed(null, target, answer.cause)
    say('token_issued', { by: target.by, target: target.key })
    const scope = answer.tokens.scope ?? target.parameters['scope'] ?? ''
    const granted = { scope, afterRejection }
    token = AccessToken.issued(answer.tokens, performance.now(), options.defaultTokenSeconds * 1000, granted)
    return token
  }

  /** Its scope is ours; what counts is what the user was granted. */
  function spent(ours: AccessToken, tokens: TokenSet): Spendable {
    return { ...spendableOf(ours, tokens, performance.now()), scope: tokens.scope }
  }

  async function onceRenewed(ref: string, afterRejection: boolean): Promise<Spendable> {
    const fresh = await renewed(afterRejection)
    // Meanwhile the session may have ended.
    return spent(fresh, records.readable(ref, await store.tokens.read(ref)).tokens)
  }

  async function spendable(ref: string): Promise<Spendable> {
    const { record, tokens } = records.readable(ref, await store.tokens.read(ref))
    records.use(ref, record, store.now())
    const now = performance.now()
    if (token === undefined || token.left(now) <= 0) return onceRenewed(ref, false)
    if (token.isInWindow(now, beforeMs)) renewed(false).catch(() => undefined) // this one will do
    return spent(token, tokens)
  }

  return {
    spendable,
    async insteadOf(ref, refused) {
      if (token?.value !== refused.accessToken) return spendable(ref)
      return token.afterRejection ? null : onceRenewed(ref, true).catch(nullIfNotNow)
    },
  }
}
