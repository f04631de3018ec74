import type { Cookies } from '../cookie-header.ts'
import type { Store } from '../storage/store.ts'
import type { Seal } from '../tokens/seal.ts'
import type { CookieJar } from './cookie-jar.ts'
import { loginId } from './reference.ts'

/** Of what is sealed. Of a login in a format that this node does not know nothing is told. */
const format = 1

/**
 * Where used logins led, for as long as they could have been finished: a person who comes by one again goes there. The
 * login's own cookie is gone by then; what shows that it is theirs is a session of the user who logged in by it.
 */
export interface UsedLogins {
  /** Nobody waits for it: without it a used login leads to `/`. @param endsAt store time in ms */
  keep(state: string, login: { returnUrl: string; subject: string; endsAt: number }): void
  /** The Set-Cookie line by which the browser, sent on from our own origin, says which login it came by. */
  name(state: string): string
  /** `null` unless it is known, and was this user's. @throws BffError `store_unreachable` */
  returnUrl(cookies: Cookies, subject: string): Promise<string | null>
  /** The Set-Cookie line that takes `name` back. */
  forget(): string
}

/** @param lifeMs as `timing.login` */
export function createUsedLogins({ now, logins }: Store, seal: Seal, jar: CookieJar, lifeMs: number): UsedLogins {
  const purpose = (id: string) => `used login ${id}`
  return {
    keep(state, { returnUrl, subject, endsAt }) {
      const id = loginId(state)
      const payload = seal.close(purpose(id), JSON.stringify({ format, subject, returnUrl }))
      logins.keepUsed(id, payload, Math.max(endsAt - now(), 1)).catch(() => undefined)
    },
    name: (state) => jar.short(jar.usedName, loginId(state), Math.ceil(lifeMs / 1000)),
    async returnUrl(cookies, subject) {
      const [id = ''] = cookies.get(jar.usedName) ?? []
      const payload = /^[\w-]{43}$/.test(id) ? await logins.used(id) : null
      const plain = payload === null ? null : seal.open(purpose(id), payload)
      const login = plain === null ? null : JSON.parse(plain) // authenticated, hence written by a `keep`
      return login?.format === format && login.subject === subject ? login.returnUrl : null
    },
    forget: () => jar.deletedShort(jar.usedName),
  }
}
