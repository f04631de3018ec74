import {
  type ClientAuth,
  ClientSecretJwt,
  ClientSecretPost,
  type ModifyAssertionOptions,
  modifyAssertion,
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
      return basic(clientSecret)
    case 'client_secret_post':
      return ClientSecretPost(clientSecret)
    case 'client_secret_jwt':
      return byAssertion(options, {}, (changes) => ClientSecretJwt(clientSecret, changes))
    case 'private_key_jwt': {
      const [first] = clientKeys
      if (first === undefined) throw new TypeError('private_key_jwt needs a key')
      const { privateKey: key, kid, certificateThumbprint } = first
      const header = certificateThumbprint === undefined ? {} : { 'x5t#S256': certificateThumbprint }
      return byAssertion(options, header, (changes) => PrivateKeyJwt({ key, kid }, changes))
    }
  }
}

/**
 * RFC 6749, section 2.3.1. openid-client escapes `-`, `.`, `_` and `~` as well, which means the same to who decodes, but
 * not everybody does: to Google, whose names of clients are full of them, such a client is unknown.
 */
function basic(clientSecret: string | undefined): ClientAuth {
  if (clientSecret === undefined) throw new TypeError('client_secret_basic needs a secret')
  return (_server, { client_id: clientId }, _body, headers) => {
    const credentials = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }
}

function formEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', '+')
}

/** @param header what the assertion's header says besides */
function byAssertion(
  { clientAssertionAudience }: Options,
  header: object,
  authenticate: (changes: ModifyAssertionOptions) => ClientAuth,
): ClientAuth {
  return (server, client, body, headers) => {
    const change: ModifyAssertionOptions[typeof modifyAssertion] = (assertionHeader, claims) => {
      Object.assign(assertionHeader, header)
      if (clientAssertionAudience === 'endpoint') claims['aud'] = askedEndpoint(server, body)
    }
    return authenticate({ [modifyAssertion]: change })(server, client, body, headers)
  }
}

/** The endpoint that a request goes to, told by what is required in it: RFC 7009, section 2.1; RFC 6749, sections 4 and 6. */
function askedEndpoint(server: ServerMetadata, body: URLSearchParams): string | undefined {
  if (body.has('token')) return server.revocation_endpoint
  return body.has('grant_type') ? server.token_endpoint : server.pushed_authorization_request_endpoint
}
