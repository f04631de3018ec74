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
   * @throws TypeError when that is none of our logins: an API can have written the answer it was read from
   */
  login(returnUrl?: string, loginUrl?: string): void
  /**
   * Listens for what happens to the session, whoever does it and wherever; this does not keep it alive. `expiring` is
   * called a minute before the end, and again after each time that the session was used meanwhile; `ended` once, also
   * when there is no session any more and it has not been heard why: then its reason is `unknown`.
   * @returns what stops listening
   */
  watch(listeners: { [E in keyof SessionEvents]?: (data: SessionEvents[E]) => void }): () => void
  /** Ends the session, here and at the provider, and leaves the page. */
  logout(): Promise<void>
}

/** Milliseconds before it is listened again after an answer such as a 503. */
const reopenMs = 3_000

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
      const plain = `${basePath}/login?`
      if (loginUrl !== undefined && !loginUrl.startsWith(plain))
        throw new TypeError('loginUrl is not one of our logins')
      location.assign(loginUrl === undefined ? `${plain}${query}` : `${loginUrl}&${query}`)
    },
    watch(listeners) {
      let source: EventSource
      let timer: ReturnType<typeof setTimeout> | undefined
      let stopped = false
      const stop = () => {
        stopped = true
        clearTimeout(timer)
        source.close() // or the browser would ask again
      }
      const open = () => {
        source = new EventSource(`${basePath}/events`)
        source.addEventListener('expiring', ({ data }) => listeners.expiring?.(JSON.parse(data)))
        source.addEventListener('ended', ({ data }) => {
          stop()
          listeners.ended?.(JSON.parse(data))
        })
        // Where the connection broke the browser asks again by itself; after an answer that is no stream it never does.
        source.addEventListener('error', () => void (source.readyState === EventSource.CLOSED && goOn()))
      }
      const goOn = async () => {
        const known = await user({ slide: false }).catch(() => undefined)
        if (stopped) return
        if (known !== null) timer = setTimeout(open, reopenMs)
        else {
          stop()
          listeners.ended?.({ reason: 'unknown' })
        }
      }
      open()
      return stop
    },
    async logout() {
      // By navigation: only a redirect may tell the provider by the ID token whose session to end.
      location.assign((await user({ slide: false }))?.logoutUrl ?? '/')
    },
  }
}
