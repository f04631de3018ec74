import { inspect } from 'node:util'
import type { IssuedTokens } from '../relying-party/token-response.ts'

/** When a provider issues an access token that cannot be sent, it is asked again after so long, in milliseconds. */
const unusableLifeMs = 10_000

/** An access token as it is kept. Times are of whichever clock it was issued by: the store's, in a record. */
export interface AccessTokenFields {
  /** Empty when the provider gave none that can be put into a header. */
  readonly accessToken: string
  /** Time in ms. */
  readonly expiresAt: number
  /** Life in ms when it was issued. */
  readonly life: number
  /** What was granted, separated by spaces. */
  readonly scope: string
  /** Whether an upstream's refusal, and not age, brought it about: refused again, it is not replaced again. */
  readonly afterRejection: boolean
}

/** One access token. Prints itself redacted: only what reads `value` on purpose sees it. */
export class AccessToken {
  readonly #fields: AccessTokenFields

  constructor(fields: AccessTokenFields) {
    this.#fields = fields
  }

  get value() {
    return this.#fields.accessToken
  }
  get expiresAt() {
    return this.#fields.expiresAt
  }
  get scope() {
    return this.#fields.scope
  }
  get afterRejection() {
    return this.#fields.afterRejection
  }

  /** Whether it can be put into a header. */
  get isSpendable(): boolean {
    return this.#fields.accessToken !== ''
  }

  /** Milliseconds of life left; 0 or less when it is over. */
  left(at: number): number {
    return this.#fields.expiresAt - at
  }

  /** Whether so little is left that a newer one should be fetched: less than `beforeMs`, but never more than half of the life. */
  isInWindow(at: number, beforeMs: number): boolean {
    return this.left(at) < Math.min(beforeMs, this.#fields.life / 2)
  }

  /** To be sealed. */
  get fields(): AccessTokenFields {
    return this.#fields
  }

  /** @param at when the answer was received: a JWT's own `exp` is another machine's clock */
  static issued(
    { accessToken, expiresIn }: Pick<IssuedTokens, 'accessToken' | 'expiresIn'>,
    at: number,
    defaultLifeMs: number,
    { scope, afterRejection }: Pick<AccessTokenFields, 'scope' | 'afterRejection'>,
  ): AccessToken {
    const told = expiresIn === null ? defaultLifeMs : expiresIn * 1000
    const life = accessToken === null ? unusableLifeMs : told
    return new AccessToken({ accessToken: accessToken ?? '', expiresAt: at + life, life, scope, afterRejection })
  }

  toJSON(): string {
    return '[access token]'
  }
  [inspect.custom](): string {
    return '[access token]'
  }
}
