import type { ClientMetadata } from 'oidc-provider'

/** Where the BFF is and how it proves itself to the provider. */
export interface RegistrationOptions {
  /** Origin of the BFF, as its browser sees it. */
  publicUrl: string
  clientSecret: string
  /** @default 'coatcheck-demo' */
  clientId?: string
  /** @default '/bff' */
  basePath?: string
}

/** What an administrator enters at a provider to let a BFF in: a confidential client, one address for each way back. */
export function createRegistration(options: RegistrationOptions): ClientMetadata {
  const { publicUrl, clientSecret, clientId = 'coatcheck-demo', basePath = '/bff' } = options
  return {
    client_id: clientId,
    client_name: 'Coatcheck demo',
    client_secret: clientSecret,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`${publicUrl}${basePath}/callback`],
    post_logout_redirect_uris: [`${publicUrl}${basePath}/logout/callback`],
  }
}
