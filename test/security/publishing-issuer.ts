import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import { closeServer, listen } from '../../demo/listen.ts'
import { parseOptions } from '../../src/options.ts'
import { createProvider, type Provider } from '../../src/relying-party/provider.ts'
import { createCounters } from '../../src/telemetry/counters.ts'
import { createSay } from '../../src/telemetry/events.ts'
import { createRecordedLog, type LogLine } from '../support/recorded-log.ts'

/** A key pair of an issuer's, as it signs and as it is published. */
export interface IssuerKey {
  kid: string | undefined
  alg: string
  sign: CryptoKey
  jwk: JWK
}

export async function createKey(kid: string | undefined, alg = 'RS256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg, use: 'sig', ...(kid === undefined ? {} : { kid }) }
  return { kid, alg, sign: privateKey, jwk }
}

/** An issuer that publishes what a test says and issues nothing by itself, and our view of it. */
export interface PublishingIssuer extends AsyncDisposable {
  issuer: string
  /** The relying party's. */
  provider: Provider
  log: readonly LogLine[]
  /** What is published as metadata beside the usual. */
  metadata: Record<string, unknown>
  /** Published as it is when a text. */
  keySet: readonly JWK[] | string
  /** How documents are answered. @default 200 */
  status: number
  headers: Record<string, string>
  /** Takes the answer out of the usual way. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null
  /** Paths that were asked for, oldest first. */
  readonly asked: readonly string[]
  /** Claims of a JWT for us, with an hour to live. */
  claims(changes?: JWTPayload): JWTPayload
  /** A JWT of these claims. @param header beside what the key says */
  sign(key: IssuerKey, changes?: JWTPayload, header?: Record<string, unknown>): Promise<string>
}

const clientId = 'coatcheck-test'
export const clientSecret = 'a secret of no less than thirty-two bytes'

export async function startPublishingIssuer(timing: Record<string, number> = {}): Promise<PublishingIssuer> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (self.answer !== null) return self.answer(request, response)
    const { keySet } = self
    const body = request.url === '/keys' ? (typeof keySet === 'string' ? keySet : { keys: keySet }) : published()
    response.writeHead(self.status, { 'content-type': 'application/json', ...self.headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const issuer = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`
  const published = () => ({
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    ...self.metadata,
  })
  const options = {
    publicUrl: 'http://localhost:3000',
    issuer,
    clientId,
    clientSecret,
    sessionSecret: 'x'.repeat(32),
    routes: [{ path: '/api', upstream: 'http://127.0.0.1:1' }],
    timing,
  }
  const { log, lines } = createRecordedLog()
  const provider = createProvider(parseOptions(options, { production: false }), createSay(log, createCounters()))

  const self: PublishingIssuer = {
    issuer,
    provider,
    log: lines,
    metadata: {},
    keySet: [],
    status: 200,
    headers: {},
    answer: null,
    asked,
    claims(changes = {}) {
      const now = Math.floor(Date.now() / 1000)
      return { iss: issuer, sub: 'alice', aud: clientId, iat: now, exp: now + 3600, ...changes }
    },
    sign: ({ alg, kid, sign }, changes = {}, header = {}) =>
      new SignJWT(self.claims(changes))
        .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
        .sign(sign),
    async [Symbol.asyncDispose]() {
      await provider.close()
      await closeServer(server)
    },
  }
  return self
}
