import { createMemoryStore } from '../../src/storage/memory-store.ts'
import type { Store } from '../../src/storage/store.ts'
import type { Timing } from '../../src/timing.ts'
import { timingSchema } from '../../src/timing.ts'
import { type RotatingProvider, type RotationPolicy, startRotatingProvider } from './rotating-provider.ts'
import { beginSession, createDeployment, startTokenNode, type TokenNode } from './token-node.ts'

/** Two nodes of one deployment and a session whose access token is over. */
export interface Pair extends AsyncDisposable {
  provider: RotatingProvider
  a: TokenNode
  b: TokenNode
  ref: string
}

export const storeKinds = ['redis', 'memory'] as const

/** @param kind nodes of one process share the embedded store; in Redis each has a connection of its own */
export async function startPair(
  kind: (typeof storeKinds)[number],
  policy: RotationPolicy = {},
  timing: Partial<Timing> = {},
  wrap?: (store: Store) => Store,
): Promise<Pair> {
  await using started = new AsyncDisposableStack()
  const provider = started.use(await startRotatingProvider(policy))
  const deployment = createDeployment(provider, { timing })
  const shared = kind === 'memory' ? { store: createMemoryStore(timingSchema.parse({}).ended) } : {}
  const options = { ...shared, ...(wrap === undefined ? {} : { wrap }) }
  const a = started.use(await startTokenNode(deployment, options))
  const b = started.use(await startTokenNode(deployment, { ...options, now: a.store.now }))
  const ref = await beginSession(a, provider)
  const all = started.move()
  return { provider, a, b, ref, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
