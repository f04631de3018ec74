/**
 * The whole catalogue of problem codes: status and the text a browser may see.
 * A code, once published, keeps its meaning; clients switch on it.
 */
export const problems = {
  bad_request: [400, 'The request is malformed.'],
  bad_target: [400, 'The request path is not acceptable.'],
  login_used: [400, 'The login was finished before, or took too long.'],
  cookies_not_kept: [400, 'The browser does not keep the cookies of this site.'],
  login_failed: [400, 'The login could not be completed.'],
  login_denied: [403, 'The login was refused.'],
  no_session: [401, 'There is no session.'],
  session_ended: [401, 'The session has ended.'],
  step_up_required: [401, 'This needs a stronger or a fresher login.'],
  anti_forgery: [403, 'The request lacks proof that it comes from this application.'],
  insufficient_scope: [403, 'The session lacks a permission that this needs.'],
  no_route: [404, 'There is nothing here.'],
  method_not_allowed: [405, 'The method is not allowed here.'],
  request_timeout: [408, 'The request took too long to arrive.'],
  payload_too_large: [413, 'The request body is too large.'],
  too_many_requests: [429, 'There have been too many attempts from this address.'],
  headers_too_large: [431, 'The request headers are too large.'],
  internal: [500, 'Something went wrong on our side.'],
  upstream_unreachable: [502, 'The API could not be reached.'],
  upstream_timeout: [504, 'The API did not answer in time.'],
  provider_unreachable: [503, 'The identity provider cannot be reached at the moment.'],
  store_unreachable: [503, 'The session store cannot be reached at the moment.'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemName = keyof typeof problems

interface BffErrorOptions {
  cause?: unknown
  retryAfterSeconds?: number
  loginUrl?: string
  allow?: readonly string[]
}

/** What stops a request. Classified by `problem`, never by message text; `cause` is for the log only. */
export class BffError extends Error {
  override readonly name = 'BffError'
  readonly problem: ProblemName
  /** Seconds after which trying again makes sense; sent as `Retry-After`. */
  readonly retryAfterSeconds: number | undefined
  /** Path of the login that would help. */
  readonly loginUrl: string | undefined
  /** The methods that would do; a 405 has to say so (RFC 9110, section 15.5.6). */
  readonly allow: readonly string[] | undefined

  constructor(problem: ProblemName, options: BffErrorOptions = {}) {
    super(problems[problem][1], { cause: options.cause })
    this.problem = problem
    this.retryAfterSeconds = options.retryAfterSeconds
    this.loginUrl = options.loginUrl
    this.allow = options.allow
  }

  get status(): number {
    return problems[this.problem][0]
  }

  /** The stable code on the wire. A used login, and a denied one, are failed logins to whoever switches on codes. */
  get code(): string {
    return this.problem === 'login_used' || this.problem === 'login_denied' ? 'login_failed' : this.problem
  }
}

/** Configuration that cannot be used: every problem found, each a sentence naming its option. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly problems: readonly string[]

  constructor(found: readonly string[]) {
    super(
      `The configuration has ${found.length === 1 ? 'a problem' : `${found.length} problems`}:\n${found.map((p) => `  - ${p}`).join('\n')}`,
    )
    this.problems = found
  }
}
