import { randomBytes } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { ClientMetadata } from 'oidc-provider'
import { type Provider, type ProviderOptions, startProvider } from '../../demo/provider.ts'
import { createRegistration } from '../../demo/registration.ts'
import { type Bff, type BffOptions, createBff } from '../../src/index.ts'
import { timingSchema } from '../../src/timing.ts'
import { type Browser, createBrowser } from './browser.ts'
import { type Certificate, createCertificate } from './certificate.ts'
import { createRecordedLog, type LogLine } from './recorded-log.ts'
import { startRecordingRelay } from './recording-relay.ts'
import type { Relay } from './relay.ts'
import { recordEndSessionEndpoint, recordSecret } from './secrets.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export interface WorldOptions {
  /** @default 'redis', with a prefix of its own */
  store?: 'redis' | 'memory'
  /** @default the Redis of the whole run */
  redisUrl?: string
  /** How many BFFs share the store; every one has a relay of its own. @default 1 */
  nodes?: number
  /**
   * Browsers come by TLS, which ends in front of the BFF as at a proxy that says nothing of it. Chromium has to be told
   * to accept the certificate (`ignoreHTTPSErrors`). @default false
   */
  https?: boolean
  /** The product's deadlines divided by ten, but for those within which the network answers. @default false */
  hurried?: boolean
  bff?: Partial<BffOptions>
  provider?: Partial<ProviderOptions>
  /** What the administrator of the provider entered otherwise. */
  registration?: (usual: ClientMetadata) => ClientMetadata
}

export interface Node {
  bff: Bff
  /** What browsers connect to. */
  relay: Relay
}

/** Everything a journey needs: provider and API, and one or more BFFs between them and a browser. */
export interface World extends AsyncDisposable {
  /** `publicUrl` of all nodes, and where the first one is reached. */
  origin: string
  provider: Provider
  upstream: Upstream
  /** The first node's. */
  relay: Relay
  nodes: readonly Node[]
  /** What the nodes are configured with, for one more of them. */
  options: BffOptions
  /** What the nodes have logged so far. */
  log: readonly LogLine[]
  /** A new browser, with nothing in it. */
  browser(): Browser
  close(): Promise<void>
}

/**
 * Starts a world. Under `/api` lies the upstream; the BFF is on `localhost` and the provider on 127.0.0.1, which are two
 * sites. What browsers receive, what is logged and every secret are recorded for the search after the run.
 */
export async function startWorld(world: WorldOptions = {}): Promise<World> {
  await using started = new AsyncDisposableStack()
  const certificate = world.https ? { certificate: trustedCertificate() } : {}
  const relays = [started.use(await startRecordingRelay(certificate))]
  while (relays.length < (world.nodes ?? 1)) relays.push(started.use(await startRecordingRelay(certificate)))
  const [relay] = relays
  if (relay === undefined) throw new Error('a world has at least one node')
  const publicUrl = relay.origin

  const clientSecret = secret('client_secret')
  const { registration = (usual: ClientMetadata) => usual } = world
  const provider = await startProvider({
    clients: [registration(createRegistration({ publicUrl, clientSecret }))],
    ...world.provider,
    onToken: (token) => {
      // A code is spent when it arrives, and comes by way of the browser.
      if (token.kind !== 'code') recordSecret(token.kind, token.value)
      world.provider?.onToken?.(token)
    },
  })
  started.defer(() => provider.close())
  const endSessionEndpoint = await endSessionEndpointOf(provider.issuer)
  if (endSessionEndpoint !== undefined) recordEndSessionEndpoint(endSessionEndpoint)
  const upstream = started.use(await startUpstream())

  const options: BffOptions = {
    publicUrl,
    port: 0,
    issuer: provider.issuer,
    clientId: 'coatcheck-demo',
    clientSecret,
    sessionSecret: secret('session_secret'),
    routes: [{ path: '/api', upstream: upstream.url }],
    ...(world.store === 'memory' ? { store: 'memory' } : redisOptions(world.redisUrl)),
    ...(world.hurried ? { timing: tenthOfTiming() } : {}),
    ...world.bff,
  }
  const { log, lines } = createRecordedLog()
  const nodes: Node[] = []
  for (const front of relays) {
    const bff = createBff(options, { log })
    started.defer(() => bff.close())
    await bff.ready().catch(() => undefined) // a test may begin without its store
    const address = (await bff.listen()).address()
    if (address === null || typeof address === 'string') throw new Error('the BFF has no port')
    front.forwardTo({ host: '127.0.0.1', port: address.port })
    nodes.push({ bff, relay: front })
  }

  const running = started.move()
  const close = async (): Promise<void> => {
    // First, so that no browser's idle connection keeps a BFF from closing.
    for (const { relay: front } of nodes) await front.close()
    await running.disposeAsync()
  }
  return {
    origin: publicUrl,
    provider,
    upstream,
    relay,
    nodes,
    options,
    log: lines,
    browser: () =>
      createBrowser(
        publicUrl,
        relays.map((front) => front.origin),
      ),
    close,
    [Symbol.asyncDispose]: close,
  }
}

let trusted: Certificate | undefined

/** The one certificate that this process accepts: of two with the same name the wrong one would be tried. */
function trustedCertificate(): Certificate {
  if (trusted === undefined) {
    trusted = createCertificate()
    setDefaultCACertificates([...getCACertificates('default'), trusted.cert])
  }
  return trusted
}

function secret(kind: 'client_secret' | 'session_secret'): string {
  const value = randomBytes(32).toString('base64url')
  recordSecret(kind, value)
  return value
}

async function endSessionEndpointOf(issuer: string): Promise<string | undefined> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  // The provider is ours; some of them have none.
  const metadata = (await response.json()) as { end_session_endpoint?: string }
  return metadata.end_session_endpoint
}

function redisOptions(redisUrl = process.env['TEST_REDIS_URL']): Partial<BffOptions> {
  if (redisUrl === undefined) throw new Error('run tests by: npm test -- <file>')
  return { redisUrl, redisPrefix: `test-${randomBytes(8).toString('hex')}` }
}

const whole = timingSchema.parse({})

/** A busy machine may keep what waits for the network waiting for longer than a tenth of its time, without any fault. */
const roomForTheNetwork = {
  store: 600,
  lease: 2_000,
  grace: 750,
  waiter: 3_000,
  connect: whole.connect,
  ask: whole.ask,
}

function tenthOfTiming(): Record<string, number> {
  const tenth = Object.entries(whole).map(([name, ms]) => [name, ms / 10] as const)
  return { ...Object.fromEntries(tenth), ...roomForTheNetwork }
}
