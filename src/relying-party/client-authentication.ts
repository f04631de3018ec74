import {
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretJwt,
  ClientSecretPost,
  PrivateKeyJwt,
  type ServerMetadata,
} from 'openid-client'
import type { Options } from '../options.ts'

type ClientAuthMethod = NonNullable<Options['clientAuth']>

/** Methods that need no more than a secret, the one to be preferred first. */
const secretMethods: readonly ClientAuthMethod[] = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt']

/**
 * How we prove to the provider who we are (OpenID Connect Core 1.0, section 9). Decided before the first request:
 * trying one method after another would present a refresh token twice.
 * @param offered the provider's `token_endpoint_auth_methods_supported`
 */
export function clientAuthMethod(
  { clientAuth, clientKeys }: Options,
  offered: readonly string[] | undefined,
): ClientAuthMethod {
  if (clientAuth !== undefined) return clientAuth
  if (clientKeys.length > 0) return 'private_key_jwt'
  // OpenID Connect Discovery 1.0, section 3: the default is client_secret_basic.
  return secretMethods.find((method) => offered?.includes(method)) ?? 'client_secret_basic'
}

/** The method of `clientAuthMethod`, carried out on every request to the provider. */
export function createClientAuth(options: Options, server: ServerMetadata): ClientAuth {
  const { clientSecret, clientKeys } = options
  switch (clientAuthMethod(options, server.token_endpoint_auth_methods_supported)) {
    case 'client_secret_basic':
      return ClientSecretBasic(clientSecret)
    case 'client_secret_post':
      return ClientSecretPost(clientSecret)
    case 'client_secret_jwt':
      return ClientSecretJwt(clientSecret)
    case 'private_key_jwt': {
      const [first] = clientKeys
      if (first === undefined) throw new TypeError('private_key_jwt needs a key')
      return PrivateKeyJwt({ key: first.privateKey, kid: first.kid })
    }
  }
}
