import { createServer } from 'node:http'
import { closeServer, listen } from '../../demo/listen.ts'
import { type Bff, type BffOptions, createBff } from '../../src/index.ts'
import { createRecordedLog, type LogLine } from '../support/recorded-log.ts'
import type { World } from '../support/world.ts'

/** Nodes behind one address that are asked in turn, and that are replaced as in a rolling deployment. */
export interface BalancedNodes extends AsyncDisposable {
  /** What any of them has logged. */
  log: readonly LogLine[]
  /** Puts nodes with these session secrets, a list for each, in the place of those that run. */
  run(...secrets: string[][]): Promise<void>
  /** The same with other options than the world's. */
  runWith(...changes: Partial<BffOptions>[]): Promise<void>
}

/** Stands in front of a world in place of its own node, which sees nothing any more. */
export async function startBalancedNodes({ options, relay }: World): Promise<BalancedNodes> {
  const { log, lines } = createRecordedLog()
  let nodes: Bff[] = []
  let turns = 0
  const balancer = createServer((request, response) => {
    turns += 1
    nodes[turns % nodes.length]?.handle(request, response)
  })
  const replaceBy = async (next: Bff[]) => {
    const before = nodes
    nodes = next
    for (const node of before) await node.close()
  }
  relay.forwardTo({ host: '127.0.0.1', port: await listen(balancer, 0, '127.0.0.1') })
  const runWith: BalancedNodes['runWith'] = async (...changes) => {
    const next = changes.map((change) => createBff({ ...options, ...change }, { log }))
    await Promise.all(next.map((node) => node.ready()))
    await replaceBy(next)
  }
  return {
    log: lines,
    runWith,
    run: (...secrets) => runWith(...secrets.map((sessionSecret) => ({ sessionSecret }))),
    async [Symbol.asyncDispose]() {
      await replaceBy([])
      await closeServer(balancer)
    },
  }
}
