import type { KoaContextWithOIDC, Provider } from 'oidc-provider'

/** A secret that the provider issued or was shown. */
export interface SeenToken {
  kind: 'access_token' | 'refresh_token' | 'id_token' | 'code' | 'code_verifier' | 'client_secret'
  value: string
}

/** What happens at a provider, as far as a test or a demo wants to know. */
export type ProviderEvent =
  | 'login'
  | 'code_grant'
  | 'refresh'
  | 'refresh_refused'
  | 'code_refused'
  | 'grant_revoked'
  | 'token_revoked'
  | 'logout'

/** How often each event has happened since the provider was started. */
export type ProviderCounts = Record<ProviderEvent, number>

/** Counters at zero. */
export function createCounts(): ProviderCounts {
  return {
    login: 0,
    code_grant: 0,
    refresh: 0,
    refresh_refused: 0,
    code_refused: 0,
    grant_revoked: 0,
    token_revoked: 0,
    logout: 0,
  }
}

/** Reports what the provider does: every event, and every secret that crosses its endpoints in either direction. */
export function watchProvider(
  provider: Provider,
  onEvent: (event: ProviderEvent) => void,
  onToken: (token: SeenToken) => void,
): void {
  provider.on('grant.success', (ctx) => onEvent(isRefresh(ctx) ? 'refresh' : 'code_grant'))
  provider.on('grant.error', (ctx) => onEvent(isRefresh(ctx) ? 'refresh_refused' : 'code_refused'))
  provider.on('grant.revoked', () => onEvent('grant_revoked'))
  provider.on('end_session.success', () => onEvent('logout'))
  provider.on('authorization.success', (_ctx, response) => reportMembers(response, onToken))

  provider.use(async (ctx, next) => {
    await next()
    if (ctx.method !== 'POST') return
    // Not every request gets as far as having an OpenID Connect context, whatever the type says.
    const { oidc } = ctx as Partial<KoaContextWithOIDC>
    if (oidc?.route !== 'token' && oidc?.route !== 'revocation') return
    if (oidc.route === 'revocation' && ctx.status === 200) onEvent('token_revoked')
    reportMembers(oidc.params, onToken)
    reportMembers(ctx.body, onToken)
    reportBasicSecret(ctx.get('authorization'), onToken)
  })
}

function isRefresh(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.params?.grant_type === 'refresh_token'
}

const kinds = ['access_token', 'refresh_token', 'id_token', 'code', 'code_verifier', 'client_secret'] as const

function reportMembers(body: unknown, onToken: (token: SeenToken) => void): void {
  if (typeof body !== 'object' || body === null) return
  const members = new Map<string, unknown>(Object.entries(body))
  for (const kind of kinds) {
    const value = members.get(kind)
    if (typeof value === 'string' && value !== '') onToken({ kind, value })
  }
}

/** RFC 6749 section 2.3.1: both halves are form-urlencoded before they are base64-encoded. */
function reportBasicSecret(authorization: string, onToken: (token: SeenToken) => void): void {
  const encoded = /^basic ([A-Za-z0-9+/=]+)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return
  const secret = Buffer.from(encoded, 'base64').toString().split(':')[1]
  if (secret) onToken({ kind: 'client_secret', value: new URLSearchParams(`v=${secret}`).get('v') ?? secret })
}
