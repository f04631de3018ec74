import { z } from 'zod'
import { readClientKeys } from './client-keys.ts'
import { readDecryptionKeys } from './decryption-keys.ts'
import { parseUrl } from './route-options.ts'

/** Names on which plain http goes no further than this machine. */
export const loopbackNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Parameters of an authorization request that are ours to set. */
const ownAuthorizationParams =
  /^(state|nonce|redirect_uri|response_type|response_mode|client_id|scope|code_challenge.*|request|request_uri)$/

const issuer = z.string().superRefine((value, context) => {
  const url = parseUrl(value)
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '') {
    context.addIssue('must be the issuer URL exactly as the provider publishes it')
  } else if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackAddress(url.hostname))) {
    context.addIssue('must be https; http is accepted on a loopback address only')
  }
})

const keys = <Key>(reader: (text: string) => readonly Key[] | string) =>
  z.string().transform((text, context) => {
    const read = reader(text)
    if (typeof read !== 'string') return read
    context.addIssue(read)
    return z.NEVER
  })

/** Every option about the OpenID Provider and how we speak to it: sentence, default, check. */
export const providerShape = {
  issuer: issuer.describe('the OpenID Provider'),
  provider: z
    .enum(['amazon-cognito', 'auth0', 'cloudentity', 'identity-engine', 'generic'])
    .default('generic')
    .describe(
      '`amazon-cognito`, `auth0`, `cloudentity` or `identity-engine`, whose ways we know beyond what discovery tells',
    ),
  clientId: z.string().min(1).describe('our registration at the provider'),
  clientSecret: z.string().min(1).optional().describe('secret of that registration; required unless there are keys'),
  clientKeys: keys(readClientKeys)
    .default([])
    .describe(
      'private keys for `private_key_jwt`: PEM, JWK or JWK Set; the first signs, all are shown by their public half',
    ),
  clientAuth: z
    .enum(['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'])
    .optional()
    .describe(
      '`client_secret_basic`, `client_secret_post`, `client_secret_jwt` or `private_key_jwt`; by key if there is one, else as the provider offers, basic first',
    ),
  clientAssertionAudience: z
    .enum(['issuer', 'endpoint'])
    .default('issuer')
    .describe(
      'whom our JWTs for authentication name as their audience: the issuer, or the very endpoint that is asked',
    ),
  decryptionKeys: keys(readDecryptionKeys)
    .default([])
    .describe(
      'private keys that ID tokens and logout tokens are encrypted for: PEM, JWK or JWK Set; what is not encrypted is refused then',
    ),
  scope: z
    .string()
    .regex(/(^| )openid( |$)/, 'must contain openid')
    .default('openid profile email offline_access')
    .describe('requested scope'),
  authorizationParams: z
    .record(
      z.string().refine((name) => !ownAuthorizationParams.test(name), 'is set by the server itself'),
      z.string(),
    )
    .refine(({ max_age: maxAge = '0' }) => /^\d{1,9}$/.test(maxAge), 'max_age must be whole seconds')
    .default({})
    .describe('extra authorization request parameters, JSON'),
  pushedAuthorization: z
    .enum(['offered', 'required'])
    .default('offered')
    .describe('authorization requests are pushed (RFC 9126) where that is offered; `required`: or no login at all'),
}

/** @param hostname as a URL has it */
export function isLoopbackAddress(hostname: string): boolean {
  return loopbackNames.has(hostname) || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
