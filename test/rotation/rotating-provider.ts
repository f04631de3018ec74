import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeServer, listen } from '../../demo/listen.ts'
import type { Login } from '../../src/relying-party/authorization-code.ts'
import type { Relay } from '../support/relay.ts'
import { recordSecret } from '../support/secrets.ts'
import { answerAsUsual, type Exchange, type ExchangeHandler, type ProviderAnswer } from './exchange.ts'

/** How this provider takes a refresh token that it has already rotated. */
export interface RotationPolicy {
  /** For so long it is taken once more, and has another successor. @default 0: reuse revokes the grant */
  leewayMs?: number
  /** With leeway: of several successors only the newest is honoured. @default false */
  onlyNewest?: boolean
  /** Whether a revocation takes the whole grant with it, or the one token. @default 'grant' */
  revokes?: 'grant' | 'token'
  /** What the network in front of it is. @default none */
  front?: Relay
  /** What discovery says instead of the truth. */
  tokenEndpoint?: string
}

/** A token endpoint that rotates, counts and does to answers what a test says. Its sessions need no login page. */
export interface RotatingProvider extends AsyncDisposable {
  issuer: string
  port: number
  /** The refresh tokens that arrived, oldest first, by name. */
  readonly presented: readonly string[]
  /** The refresh tokens that were revoked at the revocation endpoint, by name. */
  readonly revoked: readonly string[]
  /** Life of the access tokens of refreshes; those of logins have been over for a minute. @default 300 */
  accessTokenSeconds: number
  /** What every refresh token issued from now on ends with. @default '' */
  padding: string
  /** Told of a revocation before anything is revoked. */
  onRevocation: (token: string) => void | Promise<void>
  /** What a login brought. With `grantOf` it joins the grant of another subject's login. */
  login(subject?: string, grantOf?: string): Login
  /** Takes the next presentation out of the usual way; resolves when it arrives. Several calls queue up. */
  next(handler: ExchangeHandler): Promise<Exchange>
  /** Takes every presentation that no `next` waits for; `null` for the usual way. */
  always(handler: ExchangeHandler | null): void
  /** Whether a refresh with this token would be granted at this moment. */
  isLive(token: string): boolean
  /** Name of the token that was issued last for a subject. */
  newest(subject?: string): string
}

interface Grant {
  alive: boolean
}
interface Token {
  name: string
  subject: string
  grant: Grant
  state: 'live' | 'rotated' | 'superseded' | 'revoked'
  rotatedAt: number
}

export async function startRotatingProvider(policy: RotationPolicy = {}): Promise<RotatingProvider> {
  const { leewayMs = 0, onlyNewest = false, revokes = 'grant', front } = policy
  const tokens = new Map<string, Token>()
  const byName = new Map<string, Token>()
  const serials = new Map<string, number>()
  const presented: string[] = []
  const revoked: string[] = []
  const queue: { handler: ExchangeHandler; arrived: (exchange: Exchange) => void }[] = []
  let always: ExchangeHandler | null = null
  let issuer = ''

  function issue(subject: string, grant: Grant, scope: string | null = null) {
    const serial = (serials.get(subject) ?? 0) + 1
    serials.set(subject, serial)
    const name = `${subject}.${serial}`
    const value = `refresh-${name}-${randomBytes(12).toString('base64url')}${self.padding}`
    const access = `access-${name}${scope === null ? '' : `/${scope}`}-${randomBytes(12).toString('base64url')}`
    recordSecret('refresh_token', value)
    recordSecret('access_token', access)
    const token: Token = { name, subject, grant, state: 'live', rotatedAt: 0 }
    tokens.set(value, token)
    byName.set(name, token)
    return { value, access }
  }

  const inLeeway = (token: Token) => token.state === 'rotated' && performance.now() - token.rotatedAt < leewayMs
  const wouldGrant = (token: Token) => token.grant.alive && (token.state === 'live' || inLeeway(token))

  function process(token: Token | undefined, scope: string | null): ProviderAnswer {
    if (token === undefined || !wouldGrant(token)) {
      if (token !== undefined) token.grant.alive = false // reuse: whoever holds the other one may be a thief
      return { status: 400, body: { error: 'invalid_grant' } }
    }
    if (token.state === 'live') token.rotatedAt = performance.now()
    token.state = 'rotated'
    if (onlyNewest) {
      for (const other of tokens.values()) {
        if (other.grant === token.grant && other.state === 'live') other.state = 'superseded'
      }
    }
    const { value, access } = issue(token.subject, token.grant, scope)
    const body = {
      access_token: access,
      token_type: 'Bearer',
      refresh_token: value,
      expires_in: self.accessTokenSeconds,
    }
    return { status: 200, body }
  }

  async function token(request: IncomingMessage, response: ServerResponse) {
    const parameters = new URLSearchParams(await text(request))
    const known = tokens.get(parameters.get('refresh_token') ?? '')
    const name = known?.name ?? 'unknown'
    presented.push(name)
    const exchange: Exchange = {
      token: name,
      response,
      process: () => process(known, parameters.get('scope')),
      answer: (answer) => send(response, answer),
      reset: () => request.socket.resetAndDestroy(),
    }
    const scripted = queue.shift()
    scripted?.arrived(exchange)
    await (scripted?.handler ?? always ?? answerAsUsual)(exchange)
  }

  async function revoke(request: IncomingMessage, response: ServerResponse) {
    const parameters = new URLSearchParams(await text(request))
    const known = tokens.get(parameters.get('token') ?? '')
    if (known !== undefined) {
      await self.onRevocation(known.name)
      revoked.push(known.name)
      if (revokes === 'grant') known.grant.alive = false
      else known.state = 'revoked'
    }
    send(response, { status: 200, body: {} })
  }

  const server = createServer((request, response) => {
    if (request.url === '/token') token(request, response).catch(() => response.destroy())
    else if (request.url === '/revoke') revoke(request, response).catch(() => response.destroy())
    else send(response, { status: 200, body: metadata(issuer, policy.tokenEndpoint) })
  })
  server.keepAliveTimeout = 60_000 // a connection closed while idle would be one more fault than the test asked for
  const port = await listen(server, 0, '127.0.0.1')
  front?.forwardTo({ host: '127.0.0.1', port })
  issuer = `http://127.0.0.1:${front?.port ?? port}`

  const self: RotatingProvider = {
    issuer,
    port,
    presented,
    revoked,
    accessTokenSeconds: 300,
    padding: '',
    onRevocation: () => undefined,
    login(subject = 'alice', grantOf) {
      const grant = (grantOf === undefined ? undefined : byName.get(`${grantOf}.1`)?.grant) ?? { alive: true }
      const { value, access } = issue(subject, grant)
      return {
        tokens: {
          accessToken: access,
          expiresIn: -60,
          refreshToken: value,
          refreshExpiresIn: null,
          idToken: null,
          scope: null,
        },
        claims: { iss: issuer, sub: subject },
      }
    },
    next: (handler) => new Promise((arrived) => queue.push({ handler, arrived })),
    always(handler) {
      always = handler
    },
    isLive(name) {
      const found = byName.get(name)
      return found !== undefined && wouldGrant(found)
    },
    newest: (subject = 'alice') => `${subject}.${serials.get(subject) ?? 0}`,
    [Symbol.asyncDispose]: () => closeServer(server),
  }
  return self
}

function send(response: ServerResponse, { status, headers, body }: ProviderAnswer): void {
  const plain = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(plain)
}

function metadata(issuer: string, tokenEndpoint = `${issuer}/token`): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: tokenEndpoint,
    jwks_uri: `${issuer}/keys`,
    revocation_endpoint: `${issuer}/revoke`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
