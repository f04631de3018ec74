/** What crosses between us and the browser, apart from proxied traffic: paths, header, bodies, problem codes. */

/** Every SPA request carries this header. A page on another origin cannot set it without a preflight, which we never grant. */
export const antiForgeryHeader = { name: 'x-csrf', value: '1' } as const

/** Endpoint paths, relative to `basePath` (default `/bff`). */
export const paths = {
  login: '/login',
  callback: '/callback',
  usedCallback: '/callback/used',
  user: '/user',
  logout: '/logout',
  logoutCallback: '/logout/callback',
  backchannel: '/backchannel',
  frontchannel: '/frontchannel',
  events: '/events',
  sessions: '/sessions',
  session: '/sessions/:id',
  jwks: '/jwks.json',
} as const

/** Query parameters of `GET /bff/login` that the provider is told (OpenID Connect Core 1.0, section 3.1.2.1). */
export const loginParameters = ['prompt', 'login_hint', 'acr_values', 'max_age', 'ui_locales'] as const

/** What a login takes as `acr_values`: a list of names that is part of an address, and is kept with the login. */
export const acrValuesPattern = /^[\x20-\x7e]{1,500}$/

export type LoginParameters = Readonly<Partial<Record<(typeof loginParameters)[number], string>>>

/** Body of a 200 from `GET /bff/user`. */
export interface UserBody {
  /** The configured claims about the user; `sub` is always there. */
  claims: { sub: string; [name: string]: unknown }
  session: SessionLeft
  /** Where to send the browser to log out; carries a value bound to this session. */
  logoutUrl: string
}

/** What is left of a session, in whole seconds. */
export interface SessionLeft {
  /** Until it ends whatever the user does. */
  expiresIn: number
  /** Until it ends unless it is used. */
  idleExpiresIn: number
}

/** Data of the events of `GET /bff/events`, as JSON. */
export interface SessionEvents {
  /** A minute before the session ends, unless it is used meanwhile; at once when less is left. */
  expiring: SessionLeft
  /** The last event: why the session has ended. */
  ended: { reason: string }
}

/** When and where a session is used, as its user and the operator are told. */
export interface SeenSession {
  /** RFC 3339. */
  beganAt: string
  /** RFC 3339; may lag by a twentieth of the idle timeout. */
  lastSeenAt: string
  /** Such as `Firefox on Linux`, as its browser said at login; `null` when it did not. */
  browser: string | null
}

/** Body of a 200 from `GET /bff/sessions`: the user's own, oldest first. */
export interface SessionsBody {
  sessions: ({
    /** For `DELETE /bff/sessions/:id`. */
    id: string
    /** Whether it is the one that asks. */
    current: boolean
  } & SeenSession)[]
}

/** Body of a 200 from `POST /bff/logout`. */
export interface LogoutBody {
  /** Where the browser goes next: the provider's end-session endpoint, or a path of ours. */
  redirectTo: string
}

/** Body of every error answer: RFC 9457 problem details with a stable `code`. */
export interface ProblemBody {
  type: 'about:blank'
  title: string
  status: number
  code: string
  /** Also in our log, so that a report from a user can be found there. */
  requestId: string
  /** With `step_up_required`: the path of a login that asks for what is demanded; `&returnUrl=` may be added. */
  loginUrl?: string
}
