import { randomBytes } from 'node:crypto'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Login } from '../relying-party/authorization-code.ts'
import type { Provider } from '../relying-party/provider.ts'
import { askedResources } from '../relying-party/resources.ts'
import type { Remaining, Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import { createClaimsRenewal, type RefreshedRecord } from './claims.ts'
import { createDenials } from './denials.ts'
import { createDirectory } from './directory.ts'
import { createEndings, type Endings } from './endings.ts'
import { createFlights } from './flights.ts'
import { createLiveRecords } from './live-records.ts'
import { createOpenedSets } from './opened-sets.ts'
import { createProviderHealth } from './provider-health.ts'
import { untilDefinite } from './repeat.ts'
import { createRevoker } from './revoker.ts'
import type { Seal } from './seal.ts'
import { signedInBy } from './signed-in.ts'
import type { Spending } from './spendable.ts'
import { createSpendings } from './spendings.ts'
import { TokenSet } from './token-set.ts'
import type { TokenTarget } from './token-target.ts'

/** What a session may spend, and for how long: its own access token, unless another is asked for. */
export interface Tokens extends Endings, Spending {
  /**
   * Begins a session with what a login brought.
   * @returns store times in ms: when it began, and when it ends however much it is used
   * @throws BffError `store_unreachable`
   */
  begin(ref: string, login: Login): Promise<{ beganAt: number; endsAt: number }>
  /** Where access tokens for a target come from. */
  spending(target: TokenTarget | null): Spending
  /**
   * What is left of a session, or why there is none; with `slide` its idle limit is pushed out first.
   * @throws BffError `no_session` when it is there and cannot be read here, `store_unreachable`
   */
  remaining(ref: string, slide: boolean): Promise<Remaining>
  /**
   * For a session that is used otherwise than by requests: called at each use, pushes the idle limit out now and then, in
   * the background. What has ended stays ended.
   */
  useOf(ref: string): () => void
  /** Resolves when no refresh and no revocation is under way. */
  drain(): Promise<void>
}

/** @param refreshedRecord how a session record changes with what the provider says of its user */
export function createTokens(
  options: Options,
  store: Store,
  seal: Seal,
  provider: Provider,
  refreshedRecord: RefreshedRecord,
  say: Say,
): Tokens {
  const { timing } = options
  const repeat = <T>(operation: () => Promise<T>) => untilDefinite(operation, timing.storeBudget, timing.retry)
  const idleMs = options.idleTimeoutSeconds * 1000
  const open = createOpenedSets(seal, say)
  const revoker = createRevoker(provider, store, timing, say)
  const health = createProviderHealth(timing.probe)
  const claims = createClaimsRenewal(provider, store, refreshedRecord, say)
  const denials = createDenials(timing, say)
  const flights = createFlights({ store, seal, provider, health, revoker, claims, denials, options, say })
  const records = createLiveRecords(options, store, open)
  const spending = createSpendings({ options, store, seal, provider, records, flights, denials, say })
  const directory = createDirectory(options, store, seal)
  const endings = createEndings({ options, store, open, directory, revoker, say })

  return {
    async begin(ref, { tokens: issued, claims }) {
      const at = store.now()
      // RFC 6749, section 5.1: not said means as asked for.
      const scope = issued.scope ?? options.scope
      const { iss: issuer, sub: subject } = claims
      const whose = { issuer, subject, scope, signedIn: signedInBy(claims, at), resources: askedResources(options) }
      const tokens = TokenSet.issued(issued, at, options.defaultTokenSeconds * 1000, whose)
      if (tokens.refreshToken === null) say('no_refresh_token', { ref, remedy: provider.profile.offlineAccess })
      const longest = Math.min(options.absoluteTimeoutSeconds * 1000, sessionLifeOf(claims))
      // Without a refresh token nothing can be done once the access token is over.
      const absoluteMs = tokens.refreshToken === null ? Math.min(longest, Math.ceil(tokens.own.left(at))) : longest
      const first = {
        epoch: randomBytes(12).toString('base64url'),
        set: tokens.seal(seal, ref),
        idleMs,
        absoluteMs,
        grantEndsAt: tokens.grantEndsAt,
      }
      // What the code has brought is lost if this fails, so all of it is repeated.
      await repeat(() => directory.enter(ref, claims))
      // The id is new: if something exists, an earlier try of ours was carried out.
      await repeat(() => store.tokens.begin(ref, first))
      if (await repeat(() => directory.isLoggedOut(claims))) {
        say('login_failed', { ref, reason: 'logged_out' })
        await endings.end(ref, 'logout') // nobody will ever hold this session: what it could spend is revoked
        throw new BffError('login_failed')
      }
      return { beganAt: at, endsAt: at + absoluteMs }
    },

    async remaining(ref, slide) {
      const record = await store.tokens.read(ref)
      const readable = record !== null && open(ref, record.set) !== null
      const left = await store.tokens.remaining(ref, slide && readable ? idleMs : 0)
      if (left.is === 'remaining' && !readable) throw new BffError('no_session')
      return left
    },
    ...endings,
    ...spending(null),
    useOf: records.useOf,
    spending,
    async drain() {
      await flights.drain()
      await Promise.all([revoker.drain(), claims.drain()])
    },
  }
}

/**
 * How long the provider lets a session of this login live, in whole ms: claim `session_expiry`, seconds since the epoch, against
 * `iat`, by the same clock (OpenID Connect Enterprise Extensions 1.0).
 */
function sessionLifeOf({ iat, session_expiry: until }: Login['claims']): number {
  const life = typeof until === 'number' && typeof iat === 'number' ? (until - iat) * 1000 : Number.POSITIVE_INFINITY
  // Both may have a fraction (RFC 7519, section 2, NumericDate), which Redis takes for no lifetime.
  return Math.max(Math.floor(life), 0)
}
