import { createHash, randomBytes } from 'node:crypto'
import type { Cookies } from '../cookie-header.ts'
import type { AuthorizationChecks } from '../relying-party/authorization-request.ts'
import type { Store } from '../storage/store.ts'
import type { Seal } from '../tokens/seal.ts'
import type { CookieJar } from './cookie-jar.ts'
import { loginId } from './reference.ts'

/** Logins one browser may have begun at a time; beyond, the oldest is dropped. */
const mostAtOnce = 5

/** Of what is sealed. A login in a format that this node does not know has to be begun again. */
const format = 1

/** What a login remembers while its user is at the provider. */
export interface PendingLogin {
  returnUrl: string
  checks: AuthorizationChecks
  /** The session that this login will replace. */
  previousRef: string | null
  /** Store time in ms. */
  endsAt: number
}

/** Logins that have begun: kept in the store, sealed; each taken once, by the browser that began it. */
export interface PendingLogins {
  /** @returns Set-Cookie lines @throws BffError `store_unreachable` */
  begin(state: string, login: Omit<PendingLogin, 'endsAt'>, cookies: Cookies): Promise<string[]>
  /** `null` when unknown, used, over, or another browser's. @throws BffError `store_unreachable` */
  take(state: string, cookies: Cookies): Promise<PendingLogin | null>
  /** The Set-Cookie line that forgets the login of this state. */
  forget(state: string): string
}

/** @param lifeMs as `timing.login` */
export function createPendingLogins({ now, logins }: Store, seal: Seal, jar: CookieJar, lifeMs: number): PendingLogins {
  const cookieOf = (id: string) => jar.loginPrefix + id.slice(0, 12)
  const binderOf = (cookie: string) => createHash('sha256').update(`binder ${cookie}`).digest('base64url')

  return {
    async begin(state, login, cookies) {
      const id = loginId(state)
      // The time comes first, so that the oldest can be told.
      const cookie = `${Math.floor(Date.now() / 1000).toString(36)}.${randomBytes(24).toString('base64url')}`
      const pending = { format, ...login, endsAt: now() + lifeMs }
      await logins.put(id, binderOf(cookie), seal.close(`login ${id}`, JSON.stringify(pending)), lifeMs)
      const earlier = namesByAge(cookies, jar.loginPrefix)
      const dropped = earlier.slice(0, Math.max(earlier.length - (mostAtOnce - 1), 0))
      return [...dropped.map(jar.deletedShort), jar.short(cookieOf(id), cookie, Math.ceil(lifeMs / 1000))]
    },
    async take(state, cookies) {
      const id = loginId(state)
      const [cookie, second] = cookies.get(cookieOf(id)) ?? []
      if (cookie === undefined || second !== undefined) return null
      // Asked first: a store that is away now has taken nothing later, and the browser may come again.
      if (!(await logins.has(id, binderOf(cookie)))) return null
      const payload = await logins.take(id, binderOf(cookie))
      const plain = payload === null ? null : seal.open(`login ${id}`, payload)
      const login = plain === null ? null : JSON.parse(plain) // authenticated, hence written by a `begin`
      return login?.format === format ? login : null
    },
    forget: (state) => jar.deletedShort(cookieOf(loginId(state))),
  }
}

/** Names of the login cookies that a browser sent, oldest first. */
function namesByAge(cookies: Cookies, prefix: string): string[] {
  const begun = (name: string) => Number.parseInt(cookies.get(name)?.[0] ?? '', 36) || 0
  return [...cookies.keys()].filter((name) => name.startsWith(prefix)).sort((a, b) => begun(a) - begun(b))
}
