import { type Browser, createBrowser } from '../test/support/browser.ts'
import type { Peer } from './stage.ts'

/** The Cookie header of a session, as a browser has it after a real login. `null` where a peer knows no sessions. */
export type Cookie = string | null

/** One real login. */
export async function logIn(peer: Peer): Promise<Cookie> {
  const { basePath } = peer.kind
  return basePath === null ? null : await logInWith(createBrowser(peer.place.origin), peer, basePath)
}

/** Many real logins, by a few browsers whose users stay signed in at the provider. */
export async function logInOften(peer: Peer, count: number): Promise<string[]> {
  const { basePath } = peer.kind
  if (basePath === null) throw new TypeError(`${peer.kind.name} has no login`)
  const cookies: string[] = []
  let left = count
  await Promise.all(
    Array.from({ length: browsersAtOnce }, async () => {
      const browser = createBrowser(peer.place.origin)
      while (left-- > 0) {
        cookies.push(await logInWith(browser, peer, basePath))
        browser.deleteCookie()
      }
    }),
  )
  return cookies
}

const browsersAtOnce = 8

async function logInWith(browser: Browser, peer: Peer, basePath: string): Promise<string> {
  const page = await browser.login('alice', { basePath })
  await page.body?.cancel()
  const pairs = [...browser.cookies.values()].map(({ name, value }) => `${name}=${value}`)
  if (pairs.length === 0) throw new Error(`${peer.kind.name}: the login ended at ${page.url} with ${page.status}`)
  return pairs.join('; ')
}

/** What a browser's script sends besides: twelve headers, the anti-forgery header and the cookie. */
export function browserHeaders(peer: Peer, cookie: Cookie): Record<string, string> {
  const { origin } = peer.place
  return {
    Host: new URL(origin).host,
    'sec-ch-ua': '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    'sec-ch-ua-mobile': '?0',
    'sec-ch-ua-platform': '"Linux"',
    'User-Agent':
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    Accept: 'application/json',
    'Sec-Fetch-Site': 'same-origin',
    'Sec-Fetch-Mode': 'cors',
    'Sec-Fetch-Dest': 'empty',
    Referer: `${origin}/orders`,
    'Accept-Encoding': 'gzip, deflate, br, zstd',
    'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
    'X-CSRF': '1',
    // As long as ours, for a peer that does not look at it.
    Cookie: cookie ?? `session=${'x'.repeat(90)}`,
  }
}
