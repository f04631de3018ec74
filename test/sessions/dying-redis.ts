import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { OwnRedis } from '../support/redis.ts'

/** A relay between a node and its Redis, which kills Redis (SIGKILL) when the node has come to a step of choice. */
export interface DyingRedis extends AsyncDisposable {
  url: string
  /**
   * From now on the node's writes are counted, and Redis is killed at one of them.
   * @param where `before` Redis has seen it, or `after` it was carried out, when its answer is lost
   */
  killAt(step: number, where: 'before' | 'after'): void
  /** Counts no more; whether it came to that. Resolves when it is gone. */
  wasKilled(): Promise<boolean>
}

/** What the client sends by itself now and then. */
const upkeep = /^\*\d+\r\n\$\d+\r\n(PING|TIME|HELLO|CLIENT|SUBSCRIBE)\r\n/i

export async function startDyingRedis(redis: OwnRedis): Promise<DyingRedis> {
  const sockets = new Set<Socket>()
  let left = 0
  let where: 'before' | 'after' = 'before'
  /** The connection whose next answer is Redis' last. */
  let lastAnswer: Socket | undefined
  let death: Promise<void> | undefined

  const server = createServer({ noDelay: true }, (node) => {
    const upstream = connect({ host: '127.0.0.1', port: redis.port, noDelay: true })
    let dying = false
    const die = () => {
      dying = true
      death = redis.kill()
    }
    for (const socket of [node, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        node.destroy()
        upstream.destroy()
      })
    }
    node.on('data', (chunk: Buffer) => {
      if (dying) return
      const counts = left > 0 && !upkeep.test(chunk.toString('latin1'))
      if (counts) left -= 1
      const isStep = counts && left === 0
      if (isStep && where === 'before') die()
      else upstream.write(chunk)
      if (isStep && where === 'after') lastAnswer = upstream
    })
    upstream.on('data', (chunk: Buffer) => {
      if (lastAnswer === upstream && !dying) die()
      if (!dying) node.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')

  return {
    url: `redis://127.0.0.1:${address.port}`,
    killAt(step, place) {
      death = undefined
      lastAnswer = undefined
      left = step
      where = place
    },
    async wasKilled() {
      left = 0
      lastAnswer = undefined
      await death
      return death !== undefined
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
