import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { ClientMetadata, Configuration } from 'oidc-provider'
// Not the package's main file: that one warns on every release of Node that is not a long-term one.
import { Provider as OidcProvider } from 'oidc-provider/lib/provider.js'
import { type Account, demoAccounts } from './accounts.ts'
import { closeServer, listen } from './listen.ts'
import { createConfiguration } from './provider-configuration.ts'
import { createLogin, loginPath } from './provider-login.ts'
import { createPage } from './provider-page.ts'
import { createProviderStore } from './provider-store.ts'
import {
  createCounts,
  type ProviderCounts,
  type ProviderEvent,
  type SeenToken,
  watchProvider,
} from './provider-watch.ts'
import { createRegistration } from './registration.ts'
import { runProgram } from './run-program.ts'

/** How the demo's provider behaves. Only `clients` has no default. */
export interface ProviderOptions {
  /** Registered applications; `createRegistration` writes the BFF's. */
  clients: readonly ClientMetadata[]
  /** 0 lets the system choose. @default 0 */
  port?: number
  /** @default '127.0.0.1' */
  host?: string
  /** @default the address it listens on, with `path` */
  issuer?: string
  /** Where it lies below its address, as the issuer names it: a tenant, or a slash. @default '' */
  path?: string
  /**
   * Audience of the access tokens, which are JWTs for this API. Such a token cannot be used at the userinfo endpoint;
   * `null` issues opaque tokens that can, and that no API can read. @default 'https://api.coatcheck.example'
   */
  resource?: string | null
  /** Whether name, email and picture are in the ID token; otherwise only userinfo has them. @default true */
  claimsInIdToken?: boolean
  /**
   * Ways to sign in (`acr`), the weakest first. Whoever is asked for one that they have not used signs in again, by it.
   * @default none, and none in the ID token
   */
  acrs?: readonly string[]
  /** @default 30 */
  accessTokenSeconds?: number
  /** Counted anew at every rotation. @default 3600 */
  refreshTokenSeconds?: number
  /** Whether every refresh replaces the refresh token, and a replaced one revokes its whole grant. @default true */
  rotate?: boolean
  /** Seconds in which the refresh token before the newest is taken once more. @default 0 */
  leewaySeconds?: number
  /** Changes what the library is told, for providers of another kind. */
  configure?: (usual: Configuration) => Configuration
  /** Adds to the library what its configuration has no word for, such as a grant type. */
  extend?: (provider: OidcProvider) => void
  /** @default alice and bob, whose password is the user name */
  accounts?: readonly Account[]
  /** Told about every event, after it was counted. */
  onEvent?: (event: ProviderEvent) => void
  /** Told about every secret the provider issued or was shown, so that a search can look for it elsewhere. */
  onToken?: (token: SeenToken) => void
  /** Sees each request first: may delay it, or answer it and return true. For outages made on purpose. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>
}

/** A running provider. */
export interface Provider {
  issuer: string
  port: number
  counts: Readonly<ProviderCounts>
  /** Forgets every grant, so that all refresh tokens are refused from now on. Returns how many grants there were. */
  revokeGrants(): number
  close(): Promise<void>
}

/** Starts an OpenID Provider. Everything it knows is in memory and gone when it closes, its signing key included. */
export async function startProvider(options: ProviderOptions): Promise<Provider> {
  const { port = 0, host = '127.0.0.1', accounts = demoAccounts, configure = (usual) => usual, intercept } = options
  const counts = createCounts()
  const store = createProviderStore(options.leewaySeconds ?? 0)
  const count = (event: ProviderEvent): void => {
    counts[event] += 1
    options.onEvent?.(event)
  }

  // The issuer names the port, so the port has to be there before the provider is.
  let answer = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(503).end()
  }
  const server = createServer((request, response) => answer(request, response))
  const listeningPort = await listen(server, port, host)
  const { path = '' } = options
  const issuer = options.issuer ?? `http://${host}:${listeningPort}${path}`

  const provider = new OidcProvider(issuer, {
    ...configure(await createConfiguration(options, accounts)),
    adapter: (kind) => store.adapter(kind),
  })
  options.extend?.(provider)
  for (const { client_secret: value } of options.clients) {
    if (value !== undefined) options.onToken?.({ kind: 'client_secret', value })
  }
  watchProvider(provider, count, (token) => options.onToken?.(token))
  const login = createLogin(provider, accounts, options.acrs ?? [], () => count('login'))
  const protocol = provider.callback()

  answer = (request, response) => {
    const handle = async (): Promise<void> => {
      if (await intercept?.(request, response)) return
      if (request.url?.startsWith(loginPath)) return login(request, response)
      if (request.url === '/') return welcome(response)
      return protocol(mountedBelow(path, request), response)
    }
    handle().catch((error: unknown) => {
      process.stderr.write(`provider: ${String(error)}\n`)
      response.destroy()
    })
  }

  return {
    issuer,
    port: listeningPort,
    counts,
    revokeGrants: () => store.revokeGrants(),
    close: () => closeServer(server),
  }
}

/** The request as the library sees it when the provider does not lie at the root; it knows this from Express. */
function mountedBelow(path: string, request: IncomingMessage): IncomingMessage {
  const mount = path.replace(/\/$/, '')
  const { url = '' } = request
  if (mount === '' || !url.startsWith(`${mount}/`)) return request
  return Object.assign(request, { originalUrl: url, url: url.slice(mount.length) })
}

function welcome(response: ServerResponse): void {
  const page = createPage(
    'Nothing to see here',
    '<p>Applications send people here to sign in. Start at the application.</p>',
  )
  response.writeHead(200, page.headers).end(page.html)
}

if (import.meta.main) {
  await runProgram(async (atEnd) => {
    const provider = await startProvider(readEnvironment(process.env))
    atEnd(provider.close)
    process.stdout.write(`Provider ready: ${provider.issuer}\n`)
  })
}

/** The options of the provider as a program of its own, for one BFF. */
function readEnvironment(environment: NodeJS.ProcessEnv): ProviderOptions {
  const read = (name: string): string => {
    const value = environment[name]
    if (!value) throw new Error(`${name} is not set.`)
    return value
  }
  return {
    port: Number(read('PORT')),
    host: environment.HOST ?? '127.0.0.1',
    issuer: read('ISSUER'),
    clients: [
      {
        ...createRegistration({ publicUrl: '', clientId: read('CLIENT_ID'), clientSecret: read('CLIENT_SECRET') }),
        redirect_uris: [read('REDIRECT_URI')],
        post_logout_redirect_uris: [read('POST_LOGOUT_REDIRECT_URI')],
      },
    ],
  }
}
