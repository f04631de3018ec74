import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import type { Configuration } from 'oidc-provider'
import type { Account } from './accounts.ts'
import type { ProviderOptions } from './provider.ts'
import { createGrantPolicy } from './provider-grants.ts'
import { loginPath } from './provider-login.ts'
import { askForLogout, confirmLogout, show } from './provider-logout.ts'
import { createPage, escapeHtml } from './provider-page.ts'
import { createPromptPolicy } from './provider-prompts.ts'

/** Everything `oidc-provider` is told, but for where it keeps its records. */
export async function createConfiguration(
  options: ProviderOptions,
  accounts: readonly Account[],
): Promise<Configuration> {
  const { resource = 'https://api.coatcheck.example', accessTokenSeconds = 30, refreshTokenSeconds = 3600 } = options
  const { resourceIndicators, ...grantPolicy } = createGrantPolicy(resource ?? undefined, accessTokenSeconds)
  const daySeconds = 24 * 60 * 60

  return {
    ...grantPolicy,
    clients: [...options.clients],
    clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
    clockTolerance: 0,
    conformIdTokenClaims: !(options.claimsInIdToken ?? true),
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username', 'picture'],
      email: ['email', 'email_verified'],
    },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    jwks: { keys: [await createSigningKey()] },
    pkce: { required: () => true },
    rotateRefreshToken: options.rotate ?? true,
    features: {
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      backchannelLogout: { enabled: true },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: { enabled: true, logoutSource: askForLogout, postLogoutSuccessSource: confirmLogout },
      resourceIndicators,
    },
    // Without the library's own guard, which refuses loopback addresses: here everything lives on one.
    fetch: (url, init) => fetch(url, withoutGuard({ ...init })),
    clientBasedCORS: () => false,
    findAccount: (_ctx, sub) => {
      const account = accounts.find(({ claims }) => claims.sub === sub)
      return account && { accountId: sub, claims: async () => ({ ...account.claims }) }
    },
    acrValues: [...(options.acrs ?? [])],
    interactions: { url: (_ctx, { uid }) => `${loginPath}${uid}`, policy: createPromptPolicy() },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 14 * daySeconds,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      RefreshToken: refreshTokenSeconds,
      Session: 14 * daySeconds,
    },
    renderError: (ctx, { error, error_description: detail }) => {
      show(
        ctx,
        createPage('That did not work', `<p>${escapeHtml(detail ?? '')}</p><p><code>${escapeHtml(error)}</code></p>`),
      )
    },
  }
}

function withoutGuard(init: object): RequestInit {
  Reflect.deleteProperty(init, 'dispatcher')
  return init
}

async function createSigningKey() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }
}
