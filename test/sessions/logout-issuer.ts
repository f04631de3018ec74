import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeJwt, type JWTPayload, SignJWT } from 'jose'
import type { ClientMetadata } from 'oidc-provider'
import type { SeenToken } from '../../demo/provider-watch.ts'
import { createKey, type IssuerKey } from '../security/publishing-issuer.ts'
import type { Browser } from '../support/browser.ts'
import type { World } from '../support/world.ts'

export const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/** Makes logout tokens that the world's provider might have made: it publishes this key beside its own. */
export interface LogoutIssuer {
  key: IssuerKey
  /** To be given to `startWorld`: the keys, and the registration with the address for back-channel logout. */
  world: {
    provider: {
      intercept(request: IncomingMessage, response: ServerResponse): Promise<boolean>
      onToken(token: SeenToken): void
    }
    registration(usual: ClientMetadata): ClientMetadata
  }
  /** How often the provider's keys were fetched. */
  readonly keyFetches: number
  /** The newest ID token. */
  readonly idToken: string
  /** Claims of a good logout token for the newest session; `undefined` takes a claim away. */
  claims(changes?: Record<string, unknown>): JWTPayload
  /** A logout token. @param header beside what the key says */
  token(changes?: Record<string, unknown>, header?: Record<string, unknown>, key?: IssuerKey): Promise<string>
}

/** @param sessionRequired whether the provider names its sessions: in ID tokens, and in logout tokens of its own */
export async function createLogoutIssuer(sessionRequired = true): Promise<LogoutIssuer> {
  const key = await createKey('logout')
  let keyFetches = 0
  let idToken = ''

  const self: LogoutIssuer = {
    key,
    world: {
      provider: {
        async intercept({ url, headers }, response) {
          if (url !== '/jwks' || headers['x-really'] !== undefined) return false
          keyFetches += 1
          const really = await fetch(`http://${headers.host}/jwks`, { headers: { 'x-really': '1' } })
          const { keys } = (await really.json()) as { keys: object[] }
          response.writeHead(200, { 'content-type': 'application/json' })
          response.end(JSON.stringify({ keys: [...keys, key.jwk] }))
          return true
        },
        onToken({ kind, value }) {
          if (kind === 'id_token') idToken = value
        },
      },
      registration: (usual) => ({
        ...usual,
        backchannel_logout_uri: `${new URL(usual.redirect_uris?.[0] ?? '').origin}/bff/backchannel`,
        backchannel_logout_session_required: sessionRequired,
      }),
    },
    get keyFetches() {
      return keyFetches
    },
    get idToken() {
      return idToken
    },
    claims(changes = {}) {
      const { iss, sub, aud, sid } = decodeJwt(idToken)
      const now = Math.floor(Date.now() / 1000)
      const usual = {
        iss,
        sub,
        aud,
        sid,
        iat: now,
        exp: now + 120,
        jti: crypto.randomUUID(),
        events: { [logoutEvent]: {} },
      }
      const claims = Object.entries({ ...usual, ...changes })
      return Object.fromEntries(claims.filter(([, value]) => value !== undefined))
    },
    token: (changes = {}, header = {}, { alg, kid, sign } = key) =>
      new SignJWT(self.claims(changes))
        .setProtectedHeader({ typ: 'logout+jwt', alg, ...(kid && { kid }), ...header })
        .sign(sign),
  }
  return self
}

/** Sends a logout token as a provider does. */
export async function postLogoutToken(world: World, token: string, node = 0): Promise<Response> {
  const body = new URLSearchParams({ logout_token: token })
  return await fetch(`${world.nodes[node]?.relay.origin}/bff/backchannel`, { method: 'POST', body })
}

/** Whether the browser has a session, by what each node answers: `true` for all, `false` for none. */
export async function isSignedIn(world: World, browser: Browser): Promise<boolean> {
  const statuses: number[] = []
  for (const { relay } of world.nodes) {
    for (const path of ['/api/x', '/bff/user']) statuses.push((await browser.api(relay.origin + path)).status)
  }
  if (statuses.every((status) => status === 200)) return true
  if (statuses.every((status) => status === 401)) return false
  throw new Error(`the nodes do not agree: ${statuses.join()}`)
}

/** The browser's user logs out at the provider's own page, and not at the application. */
export async function logOutAtProvider(world: World, browser: Browser): Promise<void> {
  const endSession = `${world.provider.issuer}/session/end`
  const page = await browser.navigate(endSession, { initiator: world.provider.issuer })
  const form = /name="xsrf" value="([^"]*)"/.exec(await page.text())
  const body = new URLSearchParams({ xsrf: form?.[1] ?? '', logout: 'yes' })
  await browser.navigate(`${endSession}/confirm`, { initiator: world.provider.issuer, method: 'POST', body })
}
