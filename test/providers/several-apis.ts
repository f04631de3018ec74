import { decodeJwt } from 'jose'
import type { Provider as OidcProvider } from 'oidc-provider'
import type { BffOptions } from '../../src/index.ts'
import type { Browser } from '../support/browser.ts'
import { createTokenEndpoint, overAtOnce, type TokenEndpoint } from '../support/token-endpoint.ts'
import { sha256, startUpstream, type UpstreamHandler } from '../support/upstream.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** The session's own. */
export const ownApi = 'https://api.coatcheck.example'
export const ordersApi = 'https://orders.example/'
export const stockApi = 'https://stock.example/'

type Routes = Record<string, Partial<BffOptions['routes'][number]>>

/** By the first segment of their path. */
export const usualRoutes = {
  own: {},
  orders: { accessToken: { resource: ordersApi } },
  'more-orders': { accessToken: { resource: ordersApi } },
  writes: { accessToken: { resource: ordersApi }, scope: 'api:write' },
  stock: { accessToken: { resource: stockApi, scope: 'api:read' } },
  audits: { accessToken: { audience: 'audits' } },
  billing: { exchange: { audience: 'billing' } },
  'unknown-billing': { exchange: { audience: 'nobody' } },
  prices: { token: 'client', accessToken: { resource: 'https://prices.example/', scope: 'api:read' } },
} satisfies Routes

/** Answers that make an access token one that is over as soon as it is issued. */
export const expiredAtOnce = { expires_in: overAtOnce }

/** A token request as the provider saw it; of tokens a hash. */
export interface Asked {
  grant: string
  resource: unknown
  refreshToken: string | null
  subjectToken: string | null
  error: string | null
}

export interface SeveralApis extends World {
  token: TokenEndpoint
  /** Token requests but for those of logins, in the order of their answers. */
  asked: Asked[]
  /** Asks the API of a route: whom its access token is for, and a hash of that; an error by status and code. */
  call(browser: Browser, path: string, node?: number): Promise<string>
  /** The same, kept waiting by the provider, which has been asked for a token, until `release`. */
  hold(browser: Browser, path: string, node?: number): Promise<{ call: Promise<string>; release: () => void }>
  /** Sees requests to every API before it answers. */
  onRequest(handler: UpstreamHandler): void
}

/** A world with one API a route, each of which tells for whom the access token is that it got. */
export async function startSeveralApis(
  changes: Pick<WorldOptions, 'nodes' | 'redisUrl' | 'provider'> & { routes?: Routes; bff?: Partial<BffOptions> } = {},
): Promise<SeveralApis> {
  await using started = new AsyncDisposableStack()
  const api = started.use(await startUpstream())
  let handler: UpstreamHandler = () => false
  api.onRequest(async (request, response) => {
    if (await handler(request, response)) return true
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    const { aud, exp = 0 } = decodeJwt(token)
    const live = exp * 1000 > Date.now()
    response.writeHead(live ? 200 : 401).end(`${String(aud)} ${sha256(token).slice(0, 8)}`)
    return true
  })
  const token = createTokenEndpoint()
  const asked: Asked[] = []
  const routes = Object.entries<Routes[string]>(changes.routes ?? usualRoutes)
  const world = started.use(
    await startWorld({
      nodes: changes.nodes ?? 1,
      ...(changes.redisUrl === undefined ? {} : { redisUrl: changes.redisUrl }),
      bff: {
        authorizationParams: { resource: ownApi },
        routes: routes.map(([name, more]) => ({ path: `/${name}`, upstream: api.url, ...more })),
        ...changes.bff,
      },
      registration: (usual) => ({
        ...usual,
        grant_types: [...(usual.grant_types ?? []), 'client_credentials', exchangeGrant],
      }),
      provider: {
        accessTokenSeconds: 300,
        intercept: token.intercept,
        configure: (usual) => ({
          ...usual,
          scopes: ['openid', 'offline_access', 'api:read', 'api:write'],
          ttl: { ...usual.ttl, ClientCredentials: 300 },
          features: { ...usual.features, clientCredentials: { enabled: true } },
        }),
        extend(provider) {
          exchangeTokens(provider)
          noteWhatIsAsked(provider, asked)
        },
        ...changes.provider,
      },
    }),
  )
  const running = started.move()
  const call: SeveralApis['call'] = async (browser, path, node = 0) => {
    const response = await browser.api(`${world.nodes[node]?.relay.origin}${path}`)
    if (response.status === 200) return await response.text()
    return `${response.status} ${(await response.json()).code}`
  }
  return {
    ...world,
    token,
    asked,
    call,
    async hold(browser, path, node) {
      const release = token.hold()
      const arrived = token.arrival()
      const held = call(browser, path, node)
      await arrived
      return { call: held, release }
    },
    onRequest: (next) => {
      handler = next
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Refuses the tokens that a route's API has seen up to now, as no longer valid. */
export function refuse(tokens: readonly string[]): UpstreamHandler {
  return (request, response) => {
    const hash = sha256((request.headers.authorization ?? '').replace('Bearer ', '')).slice(0, 8)
    if (!tokens.some((token) => token.endsWith(hash))) return false
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end('{"code":"refused"}')
    return true
  }
}

function noteWhatIsAsked(provider: OidcProvider, asked: Asked[]): void {
  provider.use(async (ctx, next) => {
    await next()
    const { oidc } = ctx
    if (oidc?.route !== 'token' || oidc.params?.grant_type === 'authorization_code') return
    const { grant_type, resource, refresh_token: refresh, subject_token: subject } = oidc.params ?? {}
    asked.push({
      grant: String(grant_type).split(':').at(-1) ?? '',
      resource,
      refreshToken: typeof refresh === 'string' ? sha256(refresh) : null,
      subjectToken: typeof subject === 'string' ? sha256(subject).slice(0, 8) : null,
      error: ctx.status === 200 ? null : String(Object(ctx.body).error),
    })
  })
}

/** RFC 8693, as far as it is needed here; the library has no such grant. */
function exchangeTokens(provider: OidcProvider): void {
  const names = ['audience', 'subject_token', 'subject_token_type', 'requested_token_type']
  provider.registerGrantType(
    exchangeGrant,
    async (ctx) => {
      const { client, params } = ctx.oidc
      const { audience, subject_token: subject } = params ?? {}
      if (client === undefined || audience !== 'billing') {
        ctx.status = 400
        ctx.body = { error: 'invalid_target' }
        return
      }
      const { sub = '' } = decodeJwt(String(subject))
      const whose = { accountId: sub, client, grantId: '', gty: 'token-exchange', scope: 'api:read' }
      const token = new provider.AccessToken(whose)
      token.resourceServer = new provider.ResourceServer(audience, {
        audience,
        scope: 'api:read',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'RS256' } },
      })
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 300,
      }
    },
    names,
  )
}
