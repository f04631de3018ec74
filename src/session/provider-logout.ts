import { logoutTokenLifeMs, readLogoutToken } from '../relying-party/logout-token.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { Tokens } from '../tokens/tokens.ts'

/** Sessions that end because the provider says so, on whichever node it says it. */
export interface ProviderLogout {
  /**
   * Does what a logout token says, once (OpenID Connect Back-Channel Logout 1.0).
   * @returns `false` for a token that is not to be believed, or has been used; nothing has ended then
   * @throws BffError `provider_unreachable`, `store_unreachable`: the provider may send it again
   */
  byToken(logoutToken: string): Promise<boolean>
  /**
   * Ends what came from this session at the provider (OpenID Connect Front-Channel Logout 1.0), whose word for it is
   * that it knows the `sid`.
   * @returns `false` when that is another issuer's; nothing has ended then
   * @throws BffError `provider_unreachable`, `store_unreachable`
   */
  bySession(issuer: string, sid: string): Promise<boolean>
}

export function createProviderLogout(store: Store, provider: Provider, tokens: Tokens, say: Say): ProviderLogout {
  function refused(reason: string): false {
    say('logout_token_refused', { reason })
    return false
  }

  return {
    async byToken(logoutToken) {
      const verdict = await readLogoutToken(provider, logoutToken)
      if (verdict.is === 'refused') return refused(verdict.reason)
      const { issuer, subject, sid, id, issuedAt } = verdict.token
      const used = JSON.stringify([issuer, id])
      if (await store.logoutTokens.has(used)) return refused('used')
      const loggedOut = { issuer, subject, sid, at: issuedAt }
      if (!(await tokens.endAll(loggedOut, 'backchannel_logout'))) return refused('sid_of_another')
      // Last: what fails half-way may be repeated, and of several that come at once one is the first.
      return (await store.logoutTokens.put(used, logoutTokenLifeMs)) || refused('used')
    },

    async bySession(issuer, sid) {
      // As the provider writes itself, which is how sessions are entered.
      const ours = (await provider.configuration()).serverMetadata().issuer
      if (issuer !== ours) return false
      const at = Math.floor(store.now() / 1000)
      return tokens.endAll({ issuer, subject: null, sid, at }, 'frontchannel_logout')
    },
  }
}
