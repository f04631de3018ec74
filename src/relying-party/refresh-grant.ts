import { refreshTokenGrant } from 'openid-client'
import { compareIdToken, type ExpectedUser } from './id-token.ts'
import { isObject } from './json-object.ts'
import type { Provider } from './provider.ts'
import type { Answer, AskOptions } from './provider-http.ts'
import { knownErrorCode } from './provider-refusal.ts'
import { type IssuedTokens, readTokenResponse } from './token-response.ts'

/** The classes of answers that `docs/refresh-protocol.md` tells apart. */
export type RefreshAnswer =
  | { is: 'issued'; tokens: IssuedTokens }
  /** Issued to somebody else. */
  | { is: 'subject_changed'; tokens: IssuedTokens }
  /** `invalid_grant`: the presented token is dead. */
  | { is: 'refused' }
  /**
   * Any other HTTP answer: the token was not used up. `error` as the answer has it, where the standards know it.
   * `retryAfterMs`: for how long it asks to be left alone, as far as that is believed; 0 where it does not say.
   * `isOfTarget`: if something was asked for, that was refused.
   */
  | { is: 'declined'; status: number; error: string | null; retryAfterMs: number; isOfTarget: boolean }
  /** Failed, or was withdrawn, before a byte was written. */
  | { is: 'unsent' }
  /** Nobody knows what became of it. */
  | { is: 'silent' }

export interface RefreshRequest {
  refreshToken: string
  expected: ExpectedUser
  /** What the access token is for: `resource`, `audience`, `scope`. */
  parameters: Readonly<Record<string, string>>
}

/**
 * Presents a refresh token (RFC 6749, section 6), exactly once. Never throws: whatever happens has a class.
 */
export async function presentRefreshToken(
  provider: Provider,
  { refreshToken, expected, parameters }: RefreshRequest,
  ask: AskOptions,
): Promise<RefreshAnswer> {
  // What happened is seen where it happens: openid-client wraps what it does not know, and throws bodies away.
  let sent = false
  let answer: Answer | undefined
  const seen: AskOptions = {
    ...ask,
    beforeSend: () => (sent = ask.beforeSend?.() ?? true),
    onAnswer: (whole) => (answer = whole),
  }
  const valid = await provider
    .configuration(seen)
    .then((configuration) => refreshTokenGrant(configuration, refreshToken, { ...parameters }))
    .then(
      () => true,
      () => false,
    )
  if (answer !== undefined) return classify(provider, answer, valid, expected)
  return { is: sent ? 'silent' : 'unsent' }
}

/** @param valid whether openid-client found nothing wrong with the answer, its ID token included */
async function classify(
  provider: Provider,
  answer: Answer,
  valid: boolean,
  expected: ExpectedUser,
): Promise<RefreshAnswer> {
  const body = parseJson(answer.body)
  if (answer.status !== 200) {
    const said = isObject(body) ? body['error'] : undefined
    if (refusals.has(answer.status) && said === 'invalid_grant') return { is: 'refused' }
    // By whichever code: `invalid_target` and `invalid_scope` are not the only ones in use, `access_denied` is another.
    const isOfRequest = answer.status === 400 || answer.status === 403
    return {
      is: 'declined',
      status: answer.status,
      error: knownErrorCode(said),
      retryAfterMs: readRetryAfter(answer.retryAfter),
      isOfTarget: isOfRequest && typeof said === 'string' && said !== 'invalid_client',
    }
  }
  const tokens = await withOpenIdToken(provider, readTokenResponse(body))
  if (tokens.accessToken === null && tokens.refreshToken === null) return { is: 'silent' }
  const speaks = tokens.idToken === null ? 'same' : compareIdToken(tokens.idToken, expected)
  if (speaks === 'another') return { is: 'subject_changed', tokens }
  // The rotated refresh token counts even where the rest of the answer is wrong; a bad ID token changes nothing.
  return { is: 'issued', tokens: valid && speaks === 'same' ? tokens : { ...tokens, idToken: null } }
}

async function withOpenIdToken(provider: Provider, tokens: IssuedTokens): Promise<IssuedTokens> {
  if (tokens.idToken === null) return tokens
  const opening = await provider.openJwt(tokens.idToken)
  return { ...tokens, idToken: opening.is === 'opened' ? opening.jwt : null }
}

/**
 * Statuses of `invalid_grant`: by RFC 6749, section 5.2, 400, and 401 where the client authenticated by header; Auth0 says 403
 * (its API reference, "Refresh Token"). With any other it is no answer of the provider's own.
 */
const refusals: ReadonlySet<number> = new Set([400, 401, 403])

/**
 * In milliseconds. What is told is a guess, often an hour on a page for maintenance, and until then the session has
 * nothing to spend although the provider is back: it may cost so much and no more.
 */
const longestRetryAfterMs = 300_000

/** RFC 9110, section 10.2.3, in seconds; the date form is not worth another clock. */
function readRetryAfter(value: string | null): number {
  return value !== null && /^\d+$/.test(value) ? Math.min(Number(value) * 1000, longestRetryAfterMs) : 0
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
