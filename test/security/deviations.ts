import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeJwt, decodeProtectedHeader, type JWK, type JWTPayload, SignJWT } from 'jose'
import { recordSecret } from '../support/secrets.ts'
import type { IssuerKey } from './publishing-issuer.ts'

/** How a provider's answers differ from what it would say. */
export interface Deviation {
  /** Changes an ID token's claims; `undefined` leaves one out. */
  claims?: JWTPayload
  /** Signs it instead of the usual key. */
  key?: IssuerKey
  /** Makes the ID token by itself; `undefined` for none. */
  idToken?: (claims: JWTPayload, usual: (claims: JWTPayload) => Promise<string>) => undefined | string | Promise<string>
  /** Changes of the token endpoint's answer, the ID token aside. */
  answer?: object
  /** Published instead of the usual key; `null` for an error. */
  keySet?: readonly JWK[] | null
  /** Keys are published when it resolves. */
  keysHeld?: Promise<void>
  /** Changes of other documents of the provider's: members of metadata and userinfo. */
  metadata?: object
  userinfo?: object
}

/** Stands in front of a real provider, and re-signs its ID tokens, each with one thing wrong. Give `intercept` to it. */
export interface Deviations {
  intercept(request: IncomingMessage, response: ServerResponse): boolean
  /** What is wrong from now on. */
  now: Deviation
  /** Requests that arrived at the provider, oldest first, and what each brought as proof. */
  readonly asked: readonly { path: string; authorization: string | undefined }[]
}

/** @param key signs unless a deviation says otherwise */
export function createDeviations(key: IssuerKey): Deviations {
  const asked: { path: string; authorization: string | undefined }[] = []
  const sign = (claims: JWTPayload, by = key, header: object = {}) =>
    new SignJWT(claims)
      .setProtectedHeader({ ...header, alg: by.alg, ...(by.kid === undefined ? {} : { kid: by.kid }) })
      .sign(by.sign)

  async function deviate(path: string, body: string): Promise<string> {
    const { claims: changes, key: by, idToken, metadata, userinfo } = self.now
    if (path === '/jwks') {
      await self.now.keysHeld
      const { keySet = [key.jwk] } = self.now
      return keySet === null ? 'no keys today' : JSON.stringify({ keys: keySet })
    }
    const answer: Record<string, unknown> = JSON.parse(body)
    if (path === '/.well-known/openid-configuration') return JSON.stringify({ ...answer, ...metadata })
    if (path === '/me') return JSON.stringify({ ...answer, ...userinfo })
    const { id_token: genuine } = answer
    if (typeof genuine !== 'string') return body
    const claims = { ...decodeJwt(genuine), ...changes }
    const { kid: _kid, ...header } = decodeProtectedHeader(genuine)
    const usual = (told: JWTPayload) => sign(told, by, header)
    const made = idToken === undefined ? await usual(claims) : await idToken(claims, usual)
    if (made !== undefined) recordSecret('id_token', made)
    return JSON.stringify({ ...answer, ...self.now.answer, id_token: made })
  }

  const self: Deviations = {
    now: {},
    asked,
    intercept(request, response) {
      const { pathname: path } = new URL(request.url ?? '/', 'http://provider')
      asked.push({ path, authorization: request.headers.authorization })
      if (!['/token', '/jwks', '/me', '/.well-known/openid-configuration'].includes(path)) return false
      const end = response.end.bind(response)
      // The one way in which the provider's library ends these answers.
      response.end = (body: unknown) => {
        const text = Buffer.isBuffer(body) || typeof body === 'string' ? String(body) : ''
        deviate(path, text).then(
          (changed) => {
            response.setHeader('content-length', Buffer.byteLength(changed))
            end(changed)
          },
          () => response.destroy(),
        )
        return response
      }
      return false
    },
  }
  return self
}
