import { inspect } from 'node:util'
import type { IssuedTokens } from '../relying-party/token-response.ts'
import { AccessToken, type AccessTokenFields } from './access-token.ts'
import type { Seal } from './seal.ts'
import type { SignedIn } from './signed-in.ts'
import type { TokenTarget } from './token-target.ts'

/**
 * Of the token record as a whole: what a node cannot read is no session to it, and is left alone. A release may add a
 * field that older nodes can do without, since they drop it when they write; anything else takes the next number, which
 * one release learns to read before another one writes it.
 */
const format = 1

/** What stays while access tokens come and go. */
interface Grant {
  readonly refreshToken: string | null
  /** Store time in ms; `null` when the provider does not say. */
  readonly refreshEndsAt: number | null
  readonly idToken: string | null
  /** Whose tokens these are, by the first ID token. */
  readonly issuer: string
  readonly subject: string
  readonly signedIn: SignedIn
  /** Resources that the login asked for: tokens for others are not to be had (RFC 8707, section 2.2). */
  readonly resources: readonly string[]
}

/** Access tokens by the key of their target. */
type ByTarget = Readonly<Record<string, AccessToken>>

/** A session's tokens. Prints itself redacted: only what reads a field on purpose sees a token. */
export class TokenSet {
  readonly #grant: Grant
  /** The session's own access token, for routes that ask for no other. */
  readonly own: AccessToken
  /** What refreshes brought for targets. */
  readonly #refreshed: ByTarget
  /** What the own access token was exchanged for: dropped with it. */
  readonly #exchanged: ByTarget

  constructor(grant: Grant, own: AccessToken, refreshed: ByTarget = {}, exchanged: ByTarget = {}) {
    this.#grant = grant
    this.own = own
    this.#refreshed = refreshed
    this.#exchanged = exchanged
  }

  get refreshToken() {
    return this.#grant.refreshToken
  }
  get idToken() {
    return this.#grant.idToken
  }
  get signedIn() {
    return this.#grant.signedIn
  }
  get issuer() {
    return this.#grant.issuer
  }
  get subject() {
    return this.#grant.subject
  }

  /** What the user has granted, separated by spaces. */
  get scope(): string {
    return this.own.scope
  }

  /** Whose tokens these are, as one text. */
  get owner(): string {
    return ownerOf(this.#grant.issuer, this.#grant.subject)
  }

  /** The access token for a target, the session's own for `null`; `undefined` when there has been none yet. */
  of(target: TokenTarget | null): AccessToken | undefined {
    if (target === null) return this.own
    return target.by === 'refresh' ? this.#refreshed[target.key] : this.#exchanged[target.key]
  }

  /** Whether the login asked for a target's resource, if it has one. */
  mayAskFor({ parameters }: TokenTarget): boolean {
    const { resource } = parameters
    return resource === undefined || this.#grant.resources.includes(resource)
  }

  /** Store time in ms at which nothing is left to spend unless it is refreshed before; `undefined` when not known. */
  get grantEndsAt(): number | undefined {
    const { refreshEndsAt } = this.#grant
    return refreshEndsAt === null ? undefined : Math.ceil(Math.max(refreshEndsAt, this.own.expiresAt))
  }

  /** This set with what a refresh brought, the own access token or one for a target; what it did not bring stays. */
  refreshed(
    issued: IssuedTokens,
    at: number,
    defaultLifeMs: number,
    { target, afterRejection }: { target: TokenTarget | null; afterRejection: boolean },
  ): TokenSet {
    const idToken = issued.idToken ?? this.idToken
    const kept = issued.refreshToken === null ? this.#grant : { refreshToken: issued.refreshToken, refreshEndsAt: null }
    const refreshEndsAt = endOf(issued, at) ?? kept.refreshEndsAt
    const grant = { ...this.#grant, refreshToken: kept.refreshToken, refreshEndsAt, idToken }
    // RFC 6749, section 6: not said means unchanged, or as asked for.
    const scope = issued.scope ?? target?.parameters['scope'] ?? this.scope
    const token = AccessToken.issued(issued, at, defaultLifeMs, { scope, afterRejection })
    if (target === null) return new TokenSet(grant, token, alive(this.#refreshed, at))
    return new TokenSet(grant, this.own, { ...alive(this.#refreshed, at), [target.key]: token }, this.#exchanged)
  }

  /** This set with what its own access token was exchanged for. */
  exchanged({ key }: TokenTarget, token: AccessToken, at: number): TokenSet {
    return new TokenSet(this.#grant, this.own, this.#refreshed, { ...alive(this.#exchanged, at), [key]: token })
  }

  /** @param at store time in ms at which the answer was received */
  static issued(
    issued: IssuedTokens,
    at: number,
    defaultLifeMs: number,
    { scope, ...whose }: Pick<Grant, 'issuer' | 'subject' | 'signedIn' | 'resources'> & { scope: string },
  ): TokenSet {
    const { refreshToken, idToken } = issued
    const own = AccessToken.issued(issued, at, defaultLifeMs, { scope, afterRejection: false })
    return new TokenSet({ refreshToken, refreshEndsAt: endOf(issued, at), idToken, ...whose }, own)
  }

  /** @param ref the session it belongs to: a set moved to another session's record does not open there */
  seal(seal: Seal, ref: string): string {
    const further = { refreshed: fieldsOf(this.#refreshed), exchanged: fieldsOf(this.#exchanged) }
    return seal.close(`tokens ${ref}`, JSON.stringify({ format, ...this.own.fields, ...this.#grant, ...further }))
  }

  /** `null` when none of our secrets opens it, or its format is another. */
  static open(seal: Seal, ref: string, sealed: string): TokenSet | null {
    const plain = seal.open(`tokens ${ref}`, sealed)
    const fields = plain === null ? null : JSON.parse(plain) // authenticated, hence written by a `seal` like the one above
    if (fields?.format !== format) return null
    const { accessToken, expiresAt, life, scope, afterRejection } = fields
    const own = new AccessToken({ accessToken, expiresAt, life, scope, afterRejection })
    const { refreshToken, refreshEndsAt, idToken, issuer, subject, signedIn, resources = [] } = fields
    const grant = { refreshToken, refreshEndsAt, idToken, issuer, subject, signedIn, resources }
    return new TokenSet(grant, own, tokensOf(fields.refreshed), tokensOf(fields.exchanged))
  }

  toJSON(): string {
    return '[tokens]'
  }
  [inspect.custom](): string {
    return '[tokens]'
  }
}

/** A name that a provider gives, of a user or of a session, as one text that no other provider's can be. */
export function ownerOf(issuer: string, name: string): string {
  return JSON.stringify([new URL(issuer).href, name])
}

/** Store time in ms at which a refresh token ends, `null` when the provider does not say. */
function endOf({ refreshExpiresIn }: IssuedTokens, at: number): number | null {
  return refreshExpiresIn === null ? null : at + refreshExpiresIn * 1000
}

function alive(tokens: ByTarget, at: number): ByTarget {
  return Object.fromEntries(Object.entries(tokens).filter(([, token]) => token.left(at) > 0))
}

function fieldsOf(tokens: ByTarget): Record<string, AccessTokenFields> {
  return Object.fromEntries(Object.entries(tokens).map(([key, token]) => [key, token.fields]))
}

/** @param sealed absent where an older release wrote the record */
function tokensOf(sealed: Readonly<Record<string, AccessTokenFields>> = {}): ByTarget {
  return Object.fromEntries(Object.entries(sealed).map(([key, fields]) => [key, new AccessToken(fields)]))
}
