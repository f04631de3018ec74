import type { Cookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import { type IdTokenClaims, redeemCode } from '../relying-party/authorization-code.ts'
import { startAuthorization } from '../relying-party/authorization-request.ts'
import type { Provider } from '../relying-party/provider.ts'
import { ownParameters } from '../relying-party/resources.ts'
import { userinfoClaims } from '../relying-party/userinfo.ts'
import type { Say } from '../telemetry/events.ts'
import type { Tokens } from '../tokens/tokens.ts'
import { type LoginParameters, paths, type UserBody } from '../wire.ts'
import { pickClaims } from './claims.ts'
import type { Logins } from './logins.ts'
import type { TellRanOut } from './ran-out.ts'
import type { SessionFacts } from './session-record.ts'
import { inSeconds } from './session-watch.ts'

/** A login that the provider has confirmed and that is not a session yet. */
export interface FinishedLogin {
  returnUrl: string
  /** The session it replaces, if its browser had one when the login began. */
  previousRef: string | null
  /** Makes the session. `null` when the provider would have had to show something and was asked not to. */
  begin: ((ref: string, browser: string | null) => Promise<SessionFacts>) | null
}

/** The life of a session from login to its end. */
export interface Sessions {
  /**
   * @returns where to send the browser, and Set-Cookie lines for it
   * @throws BffError `provider_unreachable`, `store_unreachable`
   */
  startLogin(
    login: { returnUrl: string; previousRef: string | null; passed: LoginParameters },
    cookies: Cookies,
  ): Promise<{ url: string; setCookies: string[] }>
  /**
   * @param query as the browser brought it to the callback
   * @throws BffError `login_used`, `login_failed`, `login_denied`, `provider_unreachable`, `store_unreachable`
   */
  finishLogin(query: URLSearchParams, cookies: Cookies): Promise<FinishedLogin>
  /**
   * Ends a session that a newer login of the same browser has replaced. Never fails: the browser is to have the newer one,
   * and nobody holds this one, which then runs into its limits.
   */
  replace(ref: string): Promise<void>
  /** What the SPA may know, `null` when the session is over. @param slide whether asking counts as use */
  describe(ref: string, facts: SessionFacts, slide: boolean): Promise<Omit<UserBody, 'logoutUrl'> | null>
}

export function createSessions(
  options: Options,
  provider: Provider,
  tokens: Tokens,
  { pending, used }: Logins,
  tellRanOut: TellRanOut,
  say: Say,
): Sessions {
  const redirectUri = `${options.publicUrl}${options.basePath}${paths.callback}`

  /** The configured claims, from the ID token first, then from userinfo, asked only when one is missing. */
  async function collectClaims(ref: string, idToken: IdTokenClaims): Promise<UserBody['claims']> {
    const missing = options.claims.filter((name) => !Object.hasOwn(idToken, name))
    let userinfo: Readonly<Record<string, unknown>> = {}
    if (missing.length > 0) {
      try {
        userinfo = await userinfoClaims(provider, (await tokens.spendable(ref)).accessToken, idToken.sub)
      } catch (error) {
        if (error instanceof BffError && error.problem === 'login_failed') {
          // The provider mixes two users up: neither is to be believed.
          say('subject_changed', { ref })
          await tokens.end(ref, 'subject_changed')
          throw error
        }
        say('userinfo_failed', { ref }, error)
      }
    }
    return { ...pickClaims(options.claims, [idToken, userinfo]), sub: idToken.sub }
  }

  /** A cookie outlives its session. What cannot be read here is no session here. */
  async function isLoggedIn(ref: string): Promise<boolean> {
    try {
      return (await tokens.remaining(ref, false)).is === 'remaining'
    } catch (error) {
      if (error instanceof BffError && error.problem === 'no_session') return false
      throw error
    }
  }

  return {
    async startLogin({ returnUrl, previousRef, passed }, cookies) {
      const stepUp = previousRef !== null && (await isLoggedIn(previousRef))
      const { url, state, checks } = await startAuthorization(provider, options, redirectUri, passed, stepUp)
      const setCookies = await pending.begin(state, { returnUrl, checks, previousRef }, cookies)
      say('login_started')
      return { url, setCookies }
    },

    async finishLogin(query, cookies) {
      const state = query.get('state')
      const login = state === null ? null : await pending.take(state, cookies)
      if (state === null || login === null) {
        say('login_failed', { reason: 'no_pending_login' })
        throw new BffError('login_used')
      }
      const { returnUrl, previousRef, checks } = login
      const confirmed = await redeemCode(
        provider,
        new URL(`${redirectUri}?${query}`),
        state,
        checks,
        ownParameters(options),
      )
      if (confirmed === null) return { returnUrl, previousRef: null, begin: null }
      return {
        returnUrl,
        previousRef,
        async begin(ref, browser) {
          const { beganAt, endsAt } = await tokens.begin(ref, confirmed)
          const claims = await collectClaims(ref, confirmed.claims)
          say('login_succeeded', { ref })
          const subject = confirmed.claims.sub
          used.keep(state, { returnUrl, subject, endsAt: login.endsAt })
          return { subject, claims, browser, beganAt, endsAt }
        },
      }
    },

    async replace(ref) {
      try {
        if ((await tokens.end(ref, 'replaced')) === null) await tellRanOut(ref)
      } catch (error) {
        say('session_end_missed', { ref }, error)
      }
    },

    async describe(ref, facts, slide) {
      const remaining = await tokens.remaining(ref, slide)
      if (remaining.is === 'gone') {
        await tellRanOut(ref)
        return null
      }
      return { claims: facts.claims, session: inSeconds(remaining) }
    },
  }
}
