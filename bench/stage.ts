import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Provider, startProvider } from '../demo/provider.ts'
import { freePort } from '../test/support/free-port.ts'
import { cores, type Machine } from './machine.ts'
import { createSite, type PeerKind, type Place, registrationOf } from './peers/peer.ts'
import { type Program, startProgram } from './program.ts'
import { startUpstream } from './upstream.ts'

/** A peer that runs. */
export interface Peer extends Program {
  kind: PeerKind
  place: Place
}

/** Provider, Redis and upstream, and in front of them every peer: those that are not measured do nothing. */
export interface Stage extends AsyncDisposable {
  machine: Machine
  provider: Provider
  redisUrl: string
  peers: readonly Peer[]
}

export interface StageOptions {
  /** What the provider issues. @default longer than any run */
  accessTokenSeconds?: number
  /**
   * Whether the upstream is `upstream-app.ts`, which is slower and can do more: it has event streams and WebSockets, and
   * refuses expired tokens.
   * @default false
   */
  ableUpstream?: boolean
}

/** Seconds. */
const neverExpires = 3_600

export async function startStage(
  machine: Machine,
  kinds: readonly PeerKind[],
  { accessTokenSeconds = neverExpires, ableUpstream = false }: StageOptions = {},
): Promise<Stage> {
  await using started = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-bench-'))
  started.defer(() => rmSync(folder, { recursive: true }))

  const redisPort = await freePort()
  const redisArguments = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--port', String(redisPort)]
  started.use(await startProgram(machine.redis, redisArguments, { core: cores.others, port: redisPort }))
  const upstream = started.use(await startUpstream(machine, join(folder, 'upstream'), ableUpstream))

  const there = kinds.filter((kind) => kind.isThere(machine))
  const sites = await Promise.all(there.map(async (kind, index) => ({ kind, site: await createSite(index) })))
  const clients = sites.map(({ kind, site }) => registrationOf(site, kind))
  const provider = await startProvider({ clients, accessTokenSeconds })
  started.defer(() => provider.close())

  const peers: Peer[] = []
  for (const { kind, site } of sites) {
    const own = join(folder, site.clientId)
    mkdirSync(own)
    const { issuer } = provider
    const place = { ...site, machine, issuer, redisPort, upstreamUrl: upstream.url, folder: own }
    peers.push({ ...started.use(await kind.start(place)), kind, place })
  }
  const running = started.move()
  const close = () => running.disposeAsync()
  return { machine, provider, redisUrl: `redis://127.0.0.1:${redisPort}`, peers, [Symbol.asyncDispose]: close }
}
