import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Configuration } from 'oidc-provider'
import type { ProviderOptions } from '../../demo/provider.ts'
import type { BffOptions } from '../../src/index.ts'
import { startWorld, type World } from '../support/world.ts'
import { createTokenAnswers, type TokenAnswers } from './token-answers.ts'

/** The API that `audience` names. */
export const audience = 'https://orders.example'

/** How one provider is told apart from the fixture's usual ways, by what its documents say of it. */
export interface Profile {
  bff: Partial<BffOptions>
  provider: Partial<ProviderOptions>
  tokenPath: string
  /** What a login without a refresh token makes the log name. */
  remedy: RegExp
}

export const profiles = {
  'amazon-cognito': {
    bff: { provider: 'amazon-cognito', scope: 'openid profile email' },
    provider: { rotate: false, configure: (usual) => withRefreshTokens(withEndSessionAt('/logout', usual)) },
    tokenPath: '/token',
    remedy: /authorization code grant/,
  },
  auth0: {
    bff: { provider: 'auth0', authorizationParams: { audience } },
    provider: {
      path: '/',
      leewaySeconds: 60,
      configure: (usual) => withFixedLifetime(withAudience(withoutEndSession(usual)), 3600),
    },
    tokenPath: '/token',
    remedy: /Allow Offline Access.*API/,
  },
  cloudentity: {
    bff: { provider: 'cloudentity' },
    provider: { path: '/tenant/workspace', rotate: false },
    tokenPath: '/tenant/workspace/token',
    remedy: /workspace.*client/,
  },
  'identity-engine': {
    bff: { provider: 'identity-engine', authorizationParams: { audience } },
    provider: { configure: (usual) => withAudience(withConnectPaths(usual)) },
    tokenPath: '/connect/token',
    remedy: /Allow Offline Access.*application/,
  },
} satisfies Record<string, Profile>

export interface ProfileWorld extends World {
  tokenAnswers: TokenAnswers
  /** Where the provider's own logout was asked to send browsers. */
  loggedOutTo: readonly string[]
}

/** A world with such a provider, whose access tokens are over at once. */
export async function startProfile(profile: Profile, changes: Partial<ProviderOptions> = {}): Promise<ProfileWorld> {
  const tokenAnswers = createTokenAnswers(profile.tokenPath)
  const loggedOutTo: string[] = []
  const world = await startWorld({
    bff: profile.bff,
    provider: {
      ...profile.provider,
      ...changes,
      intercept: (request, response) =>
        ownLogout(request, response, loggedOutTo) || tokenAnswers.intercept(request, response),
    },
  })
  return Object.assign(world, { tokenAnswers, loggedOutTo })
}

/** Logout addresses of their own, and what each calls the way back. */
const ownLogouts: Readonly<Record<string, string>> = { '/v2/logout': 'returnTo', '/logout': 'logout_uri' }

/** Back to where the parameter of its own says, as it is, or an error: it knows no other. */
function ownLogout({ url = '' }: IncomingMessage, response: ServerResponse, loggedOutTo: string[]): boolean {
  const { pathname, searchParams } = new URL(url, 'http://provider.example')
  const returnParameter = ownLogouts[pathname]
  if (returnParameter === undefined) return false
  const location = searchParams.get(returnParameter)
  if (location === null || searchParams.get('client_id') !== 'coatcheck-demo') {
    response.writeHead(400).end()
    return true
  }
  loggedOutTo.push(location)
  response.writeHead(302, { location }).end()
  return true
}

/** Access tokens are JWTs for the API that the parameter `audience` names, and opaque without it. */
function withAudience(usual: Configuration): Configuration {
  const { features } = usual
  const defaultResource: NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>['defaultResource'] =
    async (ctx, _client, oneOf) => {
      const asked = ctx.oidc.params?.['audience']
      return oneOf ?? (typeof asked === 'string' ? asked : [])
    }
  return {
    ...usual,
    features: { ...features, resourceIndicators: { ...features?.resourceIndicators, defaultResource } },
  }
}

/** Refresh tokens with every code, whatever was asked for. */
function withRefreshTokens(usual: Configuration): Configuration {
  return { ...usual, issueRefreshToken: async () => true }
}

function withEndSessionAt(path: string, usual: Configuration): Configuration {
  return { ...usual, routes: { ...usual.routes, end_session: path } }
}

function withoutEndSession(usual: Configuration): Configuration {
  return { ...usual, features: { ...usual.features, rpInitiatedLogout: { enabled: false } } }
}

/** A family of refresh tokens lives for so many seconds, however often they are exchanged. */
export function withFixedLifetime(usual: Configuration, seconds: number): Configuration {
  return {
    ...usual,
    ttl: {
      ...usual.ttl,
      RefreshToken: ({ oidc }) => oidc.entities.RotatedRefreshToken?.remainingTTL ?? seconds,
    },
  }
}

function withConnectPaths(usual: Configuration): Configuration {
  const names = ['authorization', 'token', 'userinfo', 'revocation', 'end_session', 'jwks'] as const
  const routes = Object.fromEntries(names.map((name) => [name, `/connect/${name}`]))
  return { ...usual, routes }
}
