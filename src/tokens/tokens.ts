import { randomBytes } from 'node:crypto'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Login } from '../relying-party/authorization-code.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Remaining, Store, TokenRecord } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import { createClaimsRenewal, type RefreshedRecord } from './claims.ts'
import { createDirectory } from './directory.ts'
import { createEndings, type Endings } from './endings.ts'
import type { Held, Landed } from './flight-parts.ts'
import { createFlights } from './flights.ts'
import { createOpenedSets } from './opened-sets.ts'
import { createProviderHealth } from './provider-health.ts'
import { untilDefinite } from './repeat.ts'
import { createRevoker } from './revoker.ts'
import type { Seal } from './seal.ts'
import { signedInBy } from './signed-in.ts'
import { type Spendable, spend, spendableOf, unavailable } from './spendable.ts'
import { TokenSet } from './token-set.ts'

/** What a session may spend, and for how long. Sessions are named by `ref`. */
export interface Tokens extends Endings {
  /**
   * Begins a session with what a login brought.
   * @returns store times in ms: when it began, and when it ends however much it is used
   * @throws BffError `store_unreachable`
   */
  begin(ref: string, login: Login): Promise<{ beganAt: number; endsAt: number }>
  /**
   * An access token that can be used now, refreshed if need be.
   * @throws BffError `no_session`, `session_ended`, `provider_unreachable`, `store_unreachable`
   */
  spendable(ref: string): Promise<Spendable>
  /**
   * A better token than one that an upstream has just refused as invalid: another's if there is a newer one, else from
   * one refresh. A token that came about in this way and is refused again is left at that, until it is over.
   * @returns `null` when there is none to be had
   * @throws as `spendable`
   */
  insteadOf(ref: string, refused: Spendable): Promise<Spendable | null>
  /**
   * What is left of a session, or why there is none; with `slide` its idle limit is pushed out first.
   * @throws BffError `no_session` when it is there and cannot be read here, `store_unreachable`
   */
  remaining(ref: string, slide: boolean): Promise<Remaining>
  /** Resolves when no refresh and no revocation is under way. */
  drain(): Promise<void>
}

/** The idle limit is pushed out by requests when this part of it has gone by, so that few of them write. */
const slideAfterShare = 0.05

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
  const sliding = new Set<string>()
  const open = createOpenedSets(seal, say)
  const revoker = createRevoker(provider, store, timing, say)
  const health = createProviderHealth(timing.probe)
  const claims = createClaimsRenewal(provider, store, refreshedRecord, say)
  const flights = createFlights({ store, seal, provider, health, revoker, claims, options, say })
  const directory = createDirectory(options, store, seal)
  const endings = createEndings({ options, store, open, directory, revoker, say })

  /** Pushes the idle limit out in the background: no request waits for it, and many at once write once. */
  function slide(ref: string) {
    if (sliding.has(ref)) return
    sliding.add(ref)
    store.tokens
      .remaining(ref, idleMs)
      .catch(() => undefined) // the next request tries again
      .finally(() => sliding.delete(ref))
  }

  /** The record as it was read for this request, never remembered: what another node has ended is over here. */
  function readable(ref: string, record: TokenRecord | null): { record: TokenRecord; tokens: TokenSet } {
    if (record === null) throw new BffError('no_session')
    const tokens = open(ref, record.set)
    if (tokens === null) throw new BffError('no_session')
    return { record, tokens }
  }

  return {
    async begin(ref, { tokens: issued, claims }) {
      const at = store.now()
      // RFC 6749, section 5.1: not said means as asked for.
      const scope = issued.scope ?? options.scope
      const { iss: issuer, sub: subject } = claims
      const whose = { issuer, subject, scope, afterRejection: false, signedIn: signedInBy(claims, at) }
      const tokens = TokenSet.issued(issued, at, options.defaultTokenSeconds * 1000, whose)
      if (tokens.refreshToken === null) say('no_refresh_token', { ref, remedy: provider.profile.offlineAccess })
      const longest = Math.min(options.absoluteTimeoutSeconds * 1000, sessionLifeOf(claims))
      // Without a refresh token nothing can be done once the access token is over.
      const absoluteMs = tokens.refreshToken === null ? Math.min(longest, Math.ceil(tokens.left(at))) : longest
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

    async spendable(ref) {
      const { record, tokens } = readable(ref, await store.tokens.read(ref))
      const now = store.now()
      if (now - record.extendedAt > idleMs * slideAfterShare) slide(ref)
      if (tokens.left(now) > 0) {
        if (!tokens.isSpendable) throw unavailable(tokens.left(now))
        const early = tokens.refreshToken !== null && tokens.isInWindow(now, options.refreshBeforeSeconds * 1000)
        if (early && record.notBefore <= now) flights.join(ref, record, 'age')
        return spendableOf(tokens, record)
      }
      if (tokens.refreshToken === null) throw new BffError('no_session')
      const flight = flights.join(ref, record, 'age')
      // What is not yet durable serves only those whose own read proves that the session still lives at that version.
      if (flight.held !== undefined && isHeldBy(record, flight.held)) return spend(landingOf(flight.held))
      return spend(await flights.landing(flight))
    },

    async insteadOf(ref, refused) {
      const { record, tokens } = readable(ref, await store.tokens.read(ref))
      const isStored = record.epoch === refused.epoch && record.version === refused.version
      if (!isStored) return this.spendable(ref)
      if (tokens.refreshToken === null || tokens.afterRejection || record.notBefore > store.now()) return null
      const landed = await flights.landing(flights.join(ref, record, 'rejected'))
      return landed.is === 'later' ? null : spend(landed)
    },

    async remaining(ref, slide) {
      const record = await store.tokens.read(ref)
      const readable = record !== null && open(ref, record.set) !== null
      const left = await store.tokens.remaining(ref, slide && readable ? idleMs : 0)
      if (left.is === 'remaining' && !readable) throw new BffError('no_session')
      return left
    },
    ...endings,
    async drain() {
      await flights.drain()
      await Promise.all([revoker.drain(), claims.drain()])
    },
  }
}

/**
 * How long the provider lets a session of this login live, in ms: claim `session_expiry`, seconds since the epoch, against
 * `iat`, by the same clock (OpenID Connect Enterprise Extensions 1.0).
 */
function sessionLifeOf({ iat, session_expiry: until }: Login['claims']): number {
  const life = typeof until === 'number' && typeof iat === 'number' ? (until - iat) * 1000 : Number.POSITIVE_INFINITY
  return Math.max(life, 0)
}

function isHeldBy(record: TokenRecord, held: Held): boolean {
  return record.epoch === held.epoch && record.version === held.version && record.attempt === held.id
}

function landingOf({ tokens, epoch, version }: Held): Landed {
  return { is: 'tokens', tokens, epoch, version: version + 1 }
}
