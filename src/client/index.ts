/// <reference lib="dom" />
import type { SessionEvents, UserBody } from '../wire.ts'

export type { ProblemBody, UserBody } from '../wire.ts'

export interface BffClientOptions {
  /** Where the server's own endpoints are. @default '/bff' */
  basePath?: string
}

/** A single-page app's side. Holds no token: there is none on this side to hold. */
export interface BffClient {
  /**
   * Who is logged in; `null` for nobody.
   * @param options `slide: false` asks without counting as use of the session @default true
   * @throws TypeError when the network fails, Error for any other answer than yes or no
   */
  user(options?: { slide?: boolean }): Promise<UserBody | null>
  /** `fetch` with the header that proves the request comes from this application. Same origin only. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>
  /**
   * Leaves for the login page.
   * @param returnUrl path to come back to @default where the browser is now
   * @param loginUrl of a problem `step_up_required`
   */
  login(returnUrl?: string, loginUrl?: string): void
  /**
   * Listens for what happens to the session, whoever does it and wherever; this does not keep it alive. `expiring` is
   * called a minute before the end, and again after each time that the session was used meanwhile; `ended` once.
   * @returns what stops listening
   */
  watch(listeners: { [E in keyof SessionEvents]?: (data: SessionEvents[E]) => void }): () => void
  /** Ends the session, here and at the provider, and leaves the page. */
  logout(): Promise<void>
}

export function createBffClient({ basePath = '/bff' }: BffClientOptions = {}): BffClient {
  const call: BffClient['fetch'] = (input, init) => {
    const request = new Request(input, init)
    if (new URL(request.url).origin !== location.origin) throw new TypeError('only our own origin can be asked')
    request.headers.set('X-CSRF', '1')
    return fetch(request)
  }

  const user: BffClient['user'] = async ({ slide = true } = {}) => {
    const response = await call(`${basePath}/user${slide ? '' : '?slide=false'}`)
    if (response.ok) return (await response.json()) as UserBody // the endpoint's contract
    if (response.status === 401) return null
    throw new Error(`the session cannot be asked for: ${response.status}`)
  }

  return {
    user,
    fetch: call,
    login(returnUrl = location.pathname + location.search + location.hash, loginUrl) {
      const query = new URLSearchParams({ returnUrl })
      location.assign(loginUrl === undefined ? `${basePath}/login?${query}` : `${loginUrl}&${query}`)
    },
    watch(listeners) {
      const source = new EventSource(`${basePath}/events`)
      const listen = <E extends keyof SessionEvents>(name: E) =>
        source.addEventListener(name, ({ data }) => {
          if (name === 'ended') source.close() // or the browser would ask again
          listeners[name]?.(JSON.parse(data))
        })
      listen('expiring')
      listen('ended')
      return () => source.close()
    },
    async logout() {
      // By navigation: only a redirect may tell the provider by the ID token whose session to end.
      location.assign((await user({ slide: false }))?.logoutUrl ?? '/')
    },
  }
}
