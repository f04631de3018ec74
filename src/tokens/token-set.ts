import { inspect } from 'node:util'
import type { IssuedTokens } from '../relying-party/token-response.ts'
import type { Seal } from './seal.ts'
import type { SignedIn } from './signed-in.ts'

/** When a provider issues an access token that cannot be sent, it is asked again after so long, in milliseconds. */
const unusableLifeMs = 10_000

/**
 * Of the token record as a whole: what a node cannot read is no session to it, and is left alone. A release may add a
 * field that older nodes can do without, since they drop it when they write; anything else takes the next number, which
 * one release learns to read before another one writes it.
 */
const format = 1

interface Fields {
  /** Empty when the provider gave none that can be put into a header. */
  readonly accessToken: string
  /** Store time in ms. */
  readonly expiresAt: number
  /** Life of the access token in ms when it was issued. */
  readonly life: number
  readonly refreshToken: string | null
  /** Store time in ms; `null` when the provider does not say. */
  readonly refreshEndsAt: number | null
  readonly idToken: string | null
  /** What was granted, separated by spaces. */
  readonly scope: string
  /** Whose tokens these are, by the first ID token. */
  readonly issuer: string
  readonly subject: string
  /** Whether an upstream's refusal, and not age, brought this set about: refused again, it is not refreshed again. */
  readonly afterRejection: boolean
  readonly signedIn: SignedIn
}

/** A session's tokens. Prints itself redacted: only what reads a field on purpose sees a token. */
export class TokenSet {
  readonly #fields: Fields

  constructor(fields: Fields) {
    this.#fields = fields
  }

  get accessToken() {
    return this.#fields.accessToken
  }
  get refreshToken() {
    return this.#fields.refreshToken
  }
  get idToken() {
    return this.#fields.idToken
  }
  get signedIn() {
    return this.#fields.signedIn
  }
  get scope() {
    return this.#fields.scope
  }
  get issuer() {
    return this.#fields.issuer
  }
  get subject() {
    return this.#fields.subject
  }

  /** Whose tokens these are, as one text. */
  get owner(): string {
    return ownerOf(this.#fields.issuer, this.#fields.subject)
  }
  get afterRejection() {
    return this.#fields.afterRejection
  }

  /** Whether there is an access token that can be put into a header. */
  get isSpendable(): boolean {
    return this.#fields.accessToken !== ''
  }

  /** Milliseconds of life left at a store time; 0 or less when it is over. */
  left(at: number): number {
    return this.#fields.expiresAt - at
  }

  /** Store time in ms at which nothing is left to spend unless it is refreshed before; `undefined` when not known. */
  get grantEndsAt(): number | undefined {
    const { refreshEndsAt, expiresAt } = this.#fields
    return refreshEndsAt === null ? undefined : Math.ceil(Math.max(refreshEndsAt, expiresAt))
  }

  /** Whether so little is left that a refresh should begin: less than `beforeMs`, but never more than half of the life. */
  isInWindow(at: number, beforeMs: number): boolean {
    return this.left(at) < Math.min(beforeMs, this.#fields.life / 2)
  }

  /** This set with what a refresh brought; what it did not bring stays. */
  refreshed(issued: IssuedTokens, at: number, defaultLifeMs: number, afterRejection: boolean): TokenSet {
    const { issuer, subject, signedIn } = this.#fields
    const idToken = issued.idToken ?? this.#fields.idToken
    // RFC 6749, section 6: not said means unchanged.
    const scope = issued.scope ?? this.#fields.scope
    const whose = { issuer, subject, scope, afterRejection, signedIn }
    const next = TokenSet.issued({ ...issued, idToken }, at, defaultLifeMs, whose)
    if (issued.refreshToken !== null) return next
    const { refreshToken, refreshEndsAt } = this.#fields
    return new TokenSet({ ...next.#fields, refreshToken, refreshEndsAt: next.#fields.refreshEndsAt ?? refreshEndsAt })
  }

  /** @param at store time in ms at which the answer was received: a JWT's own `exp` is another machine's clock */
  static issued(
    { accessToken, expiresIn, refreshToken, refreshExpiresIn, idToken }: IssuedTokens,
    at: number,
    defaultLifeMs: number,
    whose: Pick<Fields, 'issuer' | 'subject' | 'scope' | 'afterRejection' | 'signedIn'>,
  ): TokenSet {
    const told = expiresIn === null ? defaultLifeMs : expiresIn * 1000
    const life = accessToken === null ? unusableLifeMs : told
    const refreshEndsAt = refreshExpiresIn === null ? null : at + refreshExpiresIn * 1000
    return new TokenSet({
      accessToken: accessToken ?? '',
      expiresAt: at + life,
      life,
      refreshToken,
      refreshEndsAt,
      idToken,
      ...whose,
    })
  }

  /** @param ref the session it belongs to: a set moved to another session's record does not open there */
  seal(seal: Seal, ref: string): string {
    return seal.close(`tokens ${ref}`, JSON.stringify({ format, ...this.#fields }))
  }

  /** `null` when none of our secrets opens it, or its format is another. */
  static open(seal: Seal, ref: string, sealed: string): TokenSet | null {
    const plain = seal.open(`tokens ${ref}`, sealed)
    const fields = plain === null ? null : JSON.parse(plain) // authenticated, hence written by a `seal` like the one above
    return fields?.format === format ? new TokenSet(fields) : null
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
