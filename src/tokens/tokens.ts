import { randomBytes } from 'node:crypto'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Login } from '../relying-party/authorization-code.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { EndReason, Remaining, Store, TokenRecord } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import { watchChanges } from './changes.ts'
import { fly } from './flight.ts'
import type { FlightParts, Held, Landed } from './flight-parts.ts'
import { createProviderHealth } from './provider-health.ts'
import { untilDefinite } from './repeat.ts'
import { createRevoker } from './revoker.ts'
import type { Seal } from './seal.ts'
import { TokenSet } from './token-set.ts'

/** What a session may spend, and for how long. Sessions are named by `ref`. */
export interface Tokens {
  /** Begins a session with what a login brought. @throws BffError `store_unreachable` */
  begin(ref: string, login: Login): Promise<void>
  /**
   * An access token that can be used now, refreshed if need be.
   * @throws BffError `no_session`, `session_ended`, `provider_unreachable`, `store_unreachable`
   */
  accessToken(ref: string): Promise<string>
  /** What is left of a session, `null` when it is over; with `slide` its idle limit is pushed out first. */
  remaining(ref: string, slide: boolean): Promise<Remaining | null>
  /**
   * Ends a session; what it could still spend is revoked in the background, where the reason calls for it.
   * @returns what it held, `null` when there was nothing left to end
   */
  end(ref: string, reason: EndReason): Promise<TokenSet | null>
  /** Resolves when no refresh and no revocation is under way. */
  drain(): Promise<void>
}

interface Flight {
  landed: Promise<Landed>
  held: Held | undefined
}

/** The idle limit is pushed out by requests when this part of it has gone by, so that few of them write. */
const slideAfterShare = 0.05

export function createTokens(options: Options, store: Store, seal: Seal, provider: Provider, say: Say): Tokens {
  const { timing } = options
  const idleMs = options.idleTimeoutSeconds * 1000
  const health = createProviderHealth(timing.probe)
  const revoker = createRevoker(provider, store, timing, say)
  const parts: FlightParts = { store, seal, provider, health, revoker, options, say }
  const watch = watchChanges(store)
  const flights = new Map<string, Flight>()
  store.onChange((change) => {
    if (change.is === 'reconnected' || (change.is === 'failed' && change.left > 0)) health.silent('learned')
  })

  /** This node's flight for a session: the one in the air, or a new one, entered before anything is awaited. */
  function flightFor(ref: string, seen: TokenRecord): Flight {
    const inTheAir = flights.get(ref)
    if (inTheAir !== undefined) return inTheAir
    const changes = watch(ref)
    const flight: Flight = { held: undefined, landed: Promise.resolve({ is: 'later', afterMs: 0 }) }
    flights.set(ref, flight)
    // Whoever waits hears of it too; a flight in the background has nobody else.
    const report = (error: unknown) => say('refresh_failed', { ref }, error)
    flight.landed = fly(parts, ref, seen, changes, (held) => (flight.held = held)).finally(() => {
      flights.delete(ref)
      changes.close()
    })
    flight.landed.catch(report)
    return flight
  }

  /** The flight belongs to the session: whoever waits may give up, the flight goes on. */
  async function wait(flight: Flight): Promise<Landed> {
    const limit = Promise.withResolvers<Landed>()
    const timer = setTimeout(() => limit.resolve({ is: 'later', afterMs: timing.decline }), timing.waiter)
    try {
      return await Promise.race([flight.landed, limit.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async function end(ref: string, reason: EndReason): Promise<TokenSet | null> {
    const ended = await untilDefinite(() => store.tokens.end(ref, reason, null), timing.storeBudget, timing.retry)
    if (ended.is === 'none' || ended.is === 'notMine' || ended.set === null) return null
    if (ended.is === 'ended') say('session_ended', { ref, reason })
    const tokens = TokenSet.open(seal, ref, ended.set)
    // Revoking a replaced session's token could kill its successor's grant.
    if (ended.reason === 'logout' && tokens?.refreshToken) revoker.revoke(ref, tokens.refreshToken)
    return tokens
  }

  return {
    async begin(ref, { tokens: issued, claims }) {
      const at = store.now()
      const whose = { issuer: claims.iss, subject: claims.sub }
      const tokens = TokenSet.issued(issued, at, options.defaultTokenSeconds * 1000, whose)
      if (tokens.refreshToken === null) say('no_refresh_token', { ref, scope: options.scope })
      const absoluteMs = options.absoluteTimeoutSeconds * 1000
      const first = {
        epoch: randomBytes(12).toString('base64url'),
        set: tokens.seal(seal, ref),
        idleMs,
        // Without a refresh token nothing can be done once the access token is over.
        absoluteMs: tokens.refreshToken === null ? Math.min(absoluteMs, Math.ceil(tokens.left(at))) : absoluteMs,
      }
      await store.tokens.begin(ref, first)
    },

    async accessToken(ref) {
      const record = await store.tokens.read(ref)
      if (record === null) throw new BffError('no_session')
      const tokens = TokenSet.open(seal, ref, record.set)
      if (tokens === null) {
        await end(ref, 'key_removed')
        throw new BffError('no_session')
      }
      const now = store.now()
      if (now - record.extendedAt > idleMs * slideAfterShare) {
        store.tokens.remaining(ref, idleMs).catch(() => undefined) // a request never waits for this
      }
      if (tokens.left(now) > 0) {
        const early = tokens.refreshToken !== null && tokens.isInWindow(now, options.refreshBeforeSeconds * 1000)
        if (early && record.notBefore <= now) flightFor(ref, record)
        return tokens.accessToken
      }
      if (tokens.refreshToken === null) throw new BffError('no_session')
      const flight = flightFor(ref, record)
      // What is not yet durable serves only those whose own read proves that the session still lives at that version.
      if (flight.held !== undefined && isHeldBy(record, flight.held)) return flight.held.tokens.accessToken
      return spend(await wait(flight))
    },

    async remaining(ref, slide) {
      return store.tokens.remaining(ref, slide ? idleMs : 0)
    },
    end,
    async drain() {
      await Promise.allSettled([...flights.values()].map((flight) => flight.landed))
      await revoker.drain()
    },
  }
}

function isHeldBy(record: TokenRecord, held: Held): boolean {
  return record.epoch === held.epoch && record.version === held.version && record.attempt === held.id
}

function spend(landed: Landed): string {
  if (landed.is === 'gone') throw new BffError(isOurs(landed.reason) ? 'session_ended' : 'no_session')
  const afterMs = landed.is === 'later' ? landed.afterMs : 0
  if (landed.is === 'tokens' && landed.tokens.accessToken !== '') return landed.tokens.accessToken
  throw new BffError('provider_unreachable', { retryAfterSeconds: Math.max(Math.ceil(afterMs / 1000), 1) })
}

/** Ended by what the provider said, as opposed to by somebody who logged out. */
function isOurs(reason: string): boolean {
  return reason === 'refused' || reason === 'rotation_lost' || reason === 'subject_changed'
}
