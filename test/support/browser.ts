import { antiForgeryHeader } from '../../src/wire.ts'
import { type Cookie, createCookieJar } from './cookie-jar.ts'
import { type HtmlForm, readForm } from './html-form.ts'
import { createNavigator, type Navigation, type Visit } from './navigator.ts'

export interface LoginOptions {
  /** Where the application wants to be afterwards. */
  returnUrl?: string
  /** Further parameters of the login endpoint. */
  parameters?: Record<string, string>
  /** @default the user's name */
  password?: string
  /** @default '/bff' */
  basePath?: string
}

/** A login as far as the provider's form. Several of them are several tabs. */
export interface StartedLogin {
  /** The page that the tab shows: the provider's form, or whatever answered instead. */
  page: Response
  form: HtmlForm | undefined
}

/**
 * A browser without a screen: keeps cookies, follows navigations, fills in forms, sends what a browser would send. One
 * header is wrong, because `fetch` sets it: `Sec-Fetch-Mode` is always `cors`.
 */
export interface Browser {
  origin: string
  /** The application's cookies at this moment, by name. */
  readonly cookies: ReadonlyMap<string, Cookie>
  setCookie(name: string, value: string): void
  /** Without a name: all of the application's. */
  deleteCookie(name?: string): void
  /** What every request says besides, such as who the browser is. */
  readonly always: Headers
  /** Every response of every navigation, redirects included, oldest first. */
  visits: readonly Visit[]
  /** A script of the application asks its own origin (or, by its URL, a node), with its cookies. Follows no redirect. */
  request(path: string, init?: RequestInit): Promise<Response>
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** The same with the anti-forgery header. */
  api(path: string, init?: RequestInit): Promise<Response>
  /** A navigation of the window, redirects followed; `initiator` is the page it came from. @default the application */
  navigate(url: string, navigation?: Navigation): Promise<Response>
  /** Fills in the page's form and submits it. */
  submit(page: Response, form: HtmlForm, fields?: Record<string, string>): Promise<Response>
  /** Logs in and ends back at the application. */
  login(user?: string, options?: LoginOptions): Promise<Response>
  startLogin(options?: LoginOptions): Promise<StartedLogin>
  finishLogin(login: StartedLogin, user?: string, options?: LoginOptions): Promise<Response>
  /** Follows a logout URL over the provider back to the application. */
  logout(logoutUrl: string): Promise<Response>
}

/**
 * A new browser with the application at `origin` open in it.
 * @param nodes further origins of the same application; what is asked of them counts as asked of `origin`
 */
export function createBrowser(origin: string, nodes: readonly string[] = []): Browser {
  const jar = createCookieJar()
  const host = new URL(origin).hostname
  const { visits, always, send, navigate } = createNavigator(jar, origin, nodes)

  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers)
    if (!/^(GET|HEAD)$/.test(init.method ?? 'GET') && !headers.has('origin')) headers.set('origin', origin)
    const url = new URL(path, origin)
    return await send(url, { ...init, headers }, { initiator: origin, via: [], navigation: false })
  }
  const submit: Browser['submit'] = async (page, form, fields = {}) => {
    const data = new URLSearchParams([...form.fields, ...Object.entries(fields)].filter(isLast))
    const initiator = new URL(page.url).origin
    if (form.method === 'POST') return await navigate(form.action, { initiator, method: 'POST', body: data })
    form.action.search = String(data)
    return await navigate(form.action, { initiator })
  }
  const startLogin: Browser['startLogin'] = async ({ returnUrl, parameters = {}, basePath = '/bff' } = {}) => {
    const query = new URLSearchParams({ ...(returnUrl === undefined ? {} : { returnUrl }), ...parameters })
    const page = await navigate(new URL(`${basePath}/login${query.size === 0 ? '' : `?${query}`}`, origin))
    return { page, form: await formOf(page) }
  }
  const finishLogin: Browser['finishLogin'] = async ({ page, form }, user = 'alice', { password = user } = {}) => {
    if (form === undefined) throw new Error(`${page.status} of ${page.url} has no form to log in with`)
    return await submit(page, form, { username: user, password })
  }

  return {
    origin,
    get cookies() {
      return jar.of(host)
    },
    setCookie: (name, value) => {
      const as: Cookie = {
        name,
        value,
        host,
        path: '/',
        secure: false,
        httpOnly: true,
        sameSite: 'Strict',
        expiresAt: undefined,
      }
      jar.set({ ...(jar.of(host).get(name) ?? as), value })
    },
    deleteCookie: (name) => jar.delete(host, name),
    visits,
    always,
    request,
    get: (path, headers = {}) => request(path, { headers }),
    api: (path, init = {}) => {
      const headers = new Headers(init.headers)
      headers.set(antiForgeryHeader.name, antiForgeryHeader.value)
      return request(path, { ...init, headers })
    },
    navigate: (url, navigation) => navigate(new URL(url, origin), navigation),
    submit,
    startLogin,
    finishLogin,
    login: async (user, options) => {
      const started = await startLogin(options)
      // Already signed in there, so the provider asked nothing.
      if (started.form === undefined && started.page.url.startsWith(`${origin}/`)) return started.page
      return await finishLogin(started, user, options)
    },
    logout: async (logoutUrl) => {
      const page = await navigate(new URL(logoutUrl, origin))
      const form = await formOf(page)
      return form === undefined ? page : await submit(page, form)
    },
  }
}

async function formOf(page: Response): Promise<HtmlForm | undefined> {
  if (!page.headers.get('content-type')?.startsWith('text/html')) return undefined
  return readForm(await page.clone().text(), page.url)
}

/** Of fields with one name, what was filled in wins over what stood there. */
function isLast([name]: [string, string], index: number, all: [string, string][]): boolean {
  return all.findLastIndex(([other]) => other === name) === index
}
