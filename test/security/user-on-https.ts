import type { BffOptions } from '../../src/index.ts'
import type { Browser } from '../support/browser.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'
import { createExactRequest, type ExactRequest } from './exact-request.ts'

/** A user who is logged in, on https, and an API behind routes of every kind. */
export interface UserOnHttps extends AsyncDisposable {
  world: World
  /** Behind every route. */
  upstream: Upstream
  browser: Browser
  /** The `Cookie` header of the user's session. */
  cookie: string
  /** Asks the application. */
  ask: ExactRequest
}

/** @param bff options beyond the routes `/api`, `/form` (`fetch-metadata`), `/open` (no token) and `/ws` */
export async function startUserOnHttps(bff: Partial<BffOptions> = {}): Promise<UserOnHttps> {
  await using started = new AsyncDisposableStack()
  const upstream = started.use(await startUpstream())
  const { url } = upstream
  const routes: BffOptions['routes'] = [
    { path: '/api', upstream: `${url}/v1` },
    { path: '/form', upstream: url, antiForgery: 'fetch-metadata' },
    { path: '/open', upstream: url, token: 'none' },
    { path: '/ws', upstream: url, webSocket: true },
  ]
  const world = started.use(await startWorld({ https: true, store: 'memory', bff: { routes, ...bff } }))
  const browser = world.browser()
  await browser.login()
  const [session] = [...browser.cookies.values()].filter(({ name }) => !name.endsWith('-finished'))
  const cookie = `${session?.name}=${session?.value}`
  const running = started.move()
  return {
    world,
    upstream,
    browser,
    cookie,
    ask: createExactRequest(world.origin),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
