import { randomBytes } from 'node:crypto'
import { readCookies } from '../cookie-header.ts'
import type { Options } from '../options.ts'
import { endSessionUrl } from '../relying-party/end-session.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Seal } from '../tokens/seal.ts'
import type { Tokens } from '../tokens/tokens.ts'
import { paths } from '../wire.ts'
import type { CookieJar } from './cookie-jar.ts'
import type { TellRanOut } from './ran-out.ts'
import { createPublicNames, sameText } from './reference.ts'

/** How long a browser may take over logging out at the provider. */
const logoutSeconds = 600

/** Of what the cookie of a logout holds, sealed. */
const format = 1

/** Ends sessions: here first, then at the provider (OpenID Connect RP-Initiated Logout 1.0). */
export interface Logout {
  /** The path that logs this session out, and no other. */
  urlFor(ref: string): string
  /** Whether a `sid` is the one of this session's `urlFor`. */
  isSidOf(ref: string, sid: string): boolean
  /**
   * Ends the session; whatever the provider does, it is over here when this resolves.
   * @param hint `id_token` puts the ID token into the address, which then must go nowhere but into a redirect
   * @returns where the browser goes next, and Set-Cookie lines for it
   * @throws BffError `store_unreachable`: nothing has ended
   */
  end(
    ref: string,
    returnUrl: string,
    hint: 'id_token' | 'subject',
  ): Promise<{ redirectTo: string; setCookies: string[] }>
  /** Where a browser that comes back from the provider wanted to go, `null` unless it was sent from here. */
  returnUrl(cookieHeader: string | undefined, state: string | null): string | null
}

export function createLogout(
  options: Options,
  jar: CookieJar,
  seal: Seal,
  provider: Provider,
  tokens: Tokens,
  tellRanOut: TellRanOut,
): Logout {
  const { publicUrl, basePath, sessionSecret } = options
  const sids = createPublicNames(sessionSecret, 'logout sid')

  return {
    urlFor: (ref) => `${basePath}${paths.logout}?sid=${sids.of(ref)}`,
    isSidOf: sids.isOf,

    async end(ref, returnUrl, hint) {
      const ended = await tokens.end(ref, 'logout')
      if (ended === null) {
        await tellRanOut(ref)
        return { redirectTo: returnUrl, setCookies: [] }
      }
      const state = randomBytes(16).toString('base64url')
      const url = await endSessionUrl(provider, ended, hint, `${publicUrl}${basePath}${paths.logoutCallback}`, state)
      if (url === null) return { redirectTo: returnUrl, setCookies: [] }
      const cookie = seal.close('logout', JSON.stringify({ format, state, returnUrl }))
      return { redirectTo: url, setCookies: [jar.short(jar.logoutName, cookie, logoutSeconds)] }
    },

    returnUrl(cookieHeader, state) {
      const [cookie, second] = readCookies(cookieHeader).get(jar.logoutName) ?? []
      const plain = cookie === undefined || second !== undefined ? null : seal.open('logout', cookie)
      if (plain === null || state === null) return null
      const known = JSON.parse(plain) // authenticated, hence written by an `end`
      return known?.format === format && sameText(known.state, state) ? known.returnUrl : null
    },
  }
}
