import type { CookieJar } from './cookie-jar.ts'

export interface Navigation {
  /** Origin of the page that the navigation comes from; `null` for the address bar. */
  initiator?: string | null
  method?: string
  headers?: Record<string, string>
  body?: URLSearchParams
  /** Whether redirects are followed. @default 'follow' */
  redirect?: 'follow' | 'manual'
}

/** One response of a navigation. */
export interface Visit {
  method: string
  url: string
  status: number
  headers: Headers
}

interface Origins {
  initiator: string | null
  /** Addresses that redirected here. */
  via: readonly URL[]
  navigation: boolean
}

const mostRedirects = 20

/**
 * How a browser's window and its scripts send requests: with which cookies, and where redirects lead.
 * @param aliases origins that are the application too: its nodes, which a balancer would show under one name
 */
export function createNavigator(jar: CookieJar, startOrigin: string, aliases: readonly string[]) {
  const visits: Visit[] = []
  const always = new Headers()
  const publicUrlOf = (url: URL): URL =>
    aliases.includes(url.origin) ? new URL(url.pathname + url.search, startOrigin) : url

  /** One request. Redirects are not followed. */
  const send = async (url: URL, init: RequestInit & { headers: Headers }, origins: Origins): Promise<Response> => {
    const { initiator, via, navigation } = origins
    const from = [...(initiator === null ? [] : [new URL(initiator)]), ...via].map(publicUrlOf)
    const publicUrl = publicUrlOf(url)
    const sameSite = from.every((other) => isSameSite(other, publicUrl))
    const safe = /^(GET|HEAD)$/.test(init.method ?? 'GET')
    const cookies = jar.header(url, { sameSite, topLevelNavigation: navigation && safe })
    if (cookies !== '' && !init.headers.has('cookie')) init.headers.set('cookie', cookies)
    if (!init.headers.has('sec-fetch-site')) init.headers.set('sec-fetch-site', fetchSite(from, publicUrl, sameSite))
    if (!init.headers.has('sec-fetch-dest')) init.headers.set('sec-fetch-dest', navigation ? 'document' : 'empty')
    for (const [name, value] of always) init.headers.set(name, value)
    const response = await fetch(url, { ...init, redirect: 'manual' })
    jar.receive(url, response.headers.getSetCookie())
    return response
  }

  /** A navigation of the window, to the first answer that is not a redirect. */
  const navigate = async (start: URL, navigation: Navigation = {}): Promise<Response> => {
    const { initiator = startOrigin } = navigation
    let { method = 'GET', body } = navigation
    let url = start
    const via: URL[] = []
    for (;;) {
      const headers = new Headers({ accept: 'text/html,application/xhtml+xml,*/*;q=0.8', ...navigation.headers })
      const origins = { initiator, via, navigation: true }
      const response = await send(url, { method, headers, body: body ?? null }, origins)
      visits.push({ method, url: url.href, status: response.status, headers: response.headers })
      if (navigation.redirect === 'manual') return response
      const location = response.headers.get('location')
      if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return response
      await response.body?.cancel()
      if (via.length === mostRedirects) throw new Error(`${start} redirects for ever, at last to ${location}`)
      via.push(url)
      url = new URL(location, url)
      if (response.status < 307) {
        method = 'GET'
        body = undefined
      }
    }
  }
  return { visits, always, send, navigate }
}

/** Sites are compared by scheme and host name; the ports of one host are one site, `localhost` and 127.0.0.1 are two. */
function isSameSite(one: URL, other: URL): boolean {
  return one.protocol === other.protocol && one.hostname === other.hostname
}

/** Value of `Sec-Fetch-Site` (Fetch Metadata, section 2.3). */
function fetchSite(from: readonly URL[], url: URL, sameSite: boolean): string {
  if (from.length === 0) return 'none'
  if (from.every((other) => other.origin === url.origin)) return 'same-origin'
  return sameSite ? 'same-site' : 'cross-site'
}
