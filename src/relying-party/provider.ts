import { allowInsecureRequests, Configuration, customFetch } from 'openid-client'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Say } from '../telemetry/events.ts'
import { createClientAuth } from './client-authentication.ts'
import { createJwtOpener, type OpenJwt, openingFetch } from './decryption.ts'
import { discover, isInsecure } from './discovery.ts'
import { createJwtVerifier, type VerifyJwt } from './issuer-keys.ts'
import { keepDocument } from './kept-document.ts'
import { ProviderFault, problemOf } from './provider-fault.ts'
import { type AskOptions, createProviderHttp } from './provider-http.ts'
import { type ProviderProfile, providerProfiles } from './provider-profiles.ts'

/** The OpenID Provider as we know it: found by discovery when first needed, and kept. */
export interface Provider {
  /**
   * openid-client's view of provider and client for one protocol step, whose requests obey `ask`.
   * @throws BffError `provider_unreachable` while discovery fails
   */
  configuration(ask?: Partial<AskOptions>): Promise<Configuration>
  readonly openJwt: OpenJwt
  readonly verifyJwt: VerifyJwt
  /** What we know of it besides. */
  readonly profile: ProviderProfile
  close(): Promise<void>
}

export function createProvider(options: Options, say: Say): Provider {
  const { issuer, clientId, clientSecret, timing } = options
  const http = createProviderHttp(timing.connect)
  const openJwt = createJwtOpener(options.decryptionKeys)
  const ages = { maxAgeMs: timing.metadata, renewalMs: timing.newKeys }

  const metadata = keepDocument(async () => {
    try {
      const found = await discover(issuer, clientId, http.fetchWith({ timeoutMs: timing.ask }))
      say('discovered', { issuer })
      return found
    } catch (error) {
      say('discovery_failed', { issuer, problem: problemOf(error) }, error)
      throw unreachable(error)
    }
  }, ages)

  const keys = {
    clientId,
    clientSecret,
    metadata: metadata.current,
    async fetchText(url: string) {
      const ask = http.fetchWith({ timeoutMs: timing.ask })
      const answer = await ask(url, { method: 'GET', headers: { accept: 'application/json' } })
      if (answer.status !== 200) throw new ProviderFault(`its key set (jwks_uri) is answered with ${answer.status}`)
      return answer.text()
    },
    failed(error: unknown) {
      say('keys_failed', { issuer, problem: problemOf(error) }, error)
      return unreachable(error)
    },
  }

  return {
    async configuration(ask = {}) {
      const server = await metadata.current()
      const configuration = new Configuration(server, clientId, undefined, createClientAuth(options, server))
      const fetch = http.fetchWith({ timeoutMs: timing.ask, ...ask })
      configuration[customFetch] = options.decryptionKeys.length === 0 ? fetch : openingFetch(fetch, openJwt)
      configuration.timeout = 0 // ours, which begins when the request is sent
      if (isInsecure(issuer)) allowInsecureRequests(configuration)
      return configuration
    },
    openJwt,
    verifyJwt: createJwtVerifier(keys, ages),
    profile: providerProfiles[options.provider],
    close: http.close,
  }
}

/** What a provider that is away means to whoever needs it. */
export function unreachable(cause: unknown): BffError {
  return new BffError('provider_unreachable', { cause, retryAfterSeconds: 5 })
}
