import { decodeJwt } from 'jose'
import type { Configuration, Grant, KoaContextWithOIDC } from 'oidc-provider'

const defaultApiScope = 'api:read'
const apiScopes = new Set([defaultApiScope, 'api:write'])

/** What the provider grants: everything that was asked for, without a page, for one API. */
export function createGrantPolicy(resource: string | undefined, accessTokenSeconds: number) {
  return {
    // The one place of the library that runs for every authorization request after it has judged the scope.
    extraParams: { audience: completeScope },
    loadExistingGrant: grantWhatWasAsked,
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
    resourceIndicators:
      resource === undefined
        ? { enabled: false }
        : {
            enabled: true,
            defaultResource: async (_ctx, _client, oneOf) => oneOf ?? resource,
            // Tokens for the API in the code grant and in every refresh, though `openid` was asked for too.
            useGrantedResource: async () => true,
            getResourceServerInfo: async (_ctx, indicator) => ({
              audience: indicator,
              scope: [...apiScopes].join(' '),
              accessTokenFormat: 'jwt',
              accessTokenTTL: accessTokenSeconds,
              jwt: { sign: { alg: 'RS256' } },
            }),
          },
  } satisfies Pick<Configuration, 'extraParams' | 'loadExistingGrant' | 'issueRefreshToken'> & {
    resourceIndicators: NonNullable<Configuration['features']>['resourceIndicators']
  }
}

/**
 * The library drops `offline_access` unless the request says `prompt=consent` (OpenID Connect Core 1.0 section 11
 * allows "other conditions"); here an application that may refresh is trusted to ask. And as at most providers, it
 * gets into the API without naming the API's scope.
 */
function completeScope(ctx: KoaContextWithOIDC): void {
  const { params } = ctx.oidc
  if (!params) return
  const asked = new Set(readScope(askedScope(ctx)))
  const scopes = new Set(readScope(params.scope))
  if (asked.has('offline_access') && ctx.oidc.client?.grantTypeAllowed('refresh_token')) scopes.add('offline_access')
  if (apiScopes.isDisjointFrom(asked)) scopes.add(defaultApiScope)
  params.scope = [...scopes].join(' ')
}

/** The scope as it came: pushed before (RFC 9126), posted, or in the query. */
function askedScope({ method, query, oidc }: KoaContextWithOIDC): unknown {
  const { PushedAuthorizationRequest: pushed } = oidc.entities
  if (pushed !== undefined) return decodeJwt(pushed.request)['scope']
  return method === 'POST' ? oidc.body?.scope : query.scope
}

/**
 * Every sign-in has a grant of its own. The library would let all sign-ins of a browser share one, and then the logout
 * of one session, or a refresh token replayed there, would end the others too.
 */
async function grantWhatWasAsked({ oidc }: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { account, client } = oidc
  if (!account || !client) return undefined
  const grant = new oidc.provider.Grant({ accountId: account.accountId, clientId: client.clientId })
  grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '))
  for (const [indicator, server] of Object.entries(oidc.resourceServers ?? {})) {
    grant.addResourceScope(indicator, [...server.scopes.intersection(oidc.requestParamScopes)].join(' '))
  }
  await grant.save()
  return grant
}

function readScope(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}
