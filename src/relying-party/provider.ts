import { allowInsecureRequests, Configuration, customFetch, discovery, type ServerMetadata } from 'openid-client'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Say } from '../telemetry/events.ts'
import { createClientAuth } from './client-authentication.ts'
import { type AskOptions, createProviderHttp } from './provider-http.ts'

/** After a failed discovery the next one waits for so long, in milliseconds, so that logins do not hammer the provider. */
const retryDiscoveryMs = 1_000

/** The OpenID Provider as we know it: found by discovery when first needed, and kept. */
export interface Provider {
  /**
   * openid-client's view of provider and client for one protocol step, whose requests obey `ask`.
   * @throws BffError `provider_unreachable` while discovery fails
   */
  configuration(ask?: Partial<AskOptions>): Promise<Configuration>
  close(): Promise<void>
}

export function createProvider(options: Options, say: Say): Provider {
  const { issuer, clientId, timing } = options
  const http = createProviderHttp(timing.connect)
  const insecure = new URL(issuer).protocol === 'http:' // the options allow it on loopback only
  let known: Promise<ServerMetadata> | undefined

  async function discover(): Promise<ServerMetadata> {
    try {
      const found = await discovery(new URL(issuer), clientId, undefined, undefined, {
        [customFetch]: http.fetchWith({ timeoutMs: timing.ask }),
        execute: insecure ? [allowInsecureRequests] : [],
      })
      say('discovered', { issuer })
      return found.serverMetadata()
    } catch (error) {
      say('discovery_failed', { issuer }, error)
      setTimeout(() => (known = undefined), retryDiscoveryMs).unref()
      throw unreachable(error)
    }
  }

  return {
    async configuration(ask = {}) {
      known ??= discover()
      const server = await known
      const configuration = new Configuration(server, clientId, undefined, createClientAuth(options, server))
      configuration[customFetch] = http.fetchWith({ timeoutMs: timing.ask, ...ask })
      configuration.timeout = 0 // ours, which begins when the request is sent
      if (insecure) allowInsecureRequests(configuration)
      return configuration
    },
    close: http.close,
  }
}

/** What a provider that is away means to whoever needs it. */
export function unreachable(cause: unknown): BffError {
  return new BffError('provider_unreachable', { cause, retryAfterSeconds: 5 })
}
