import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type ScriptName, scripts } from '../../src/storage/scripts.ts'

/** Commands that are known by their name among the bytes, as the client spells it. */
type PlainCommand = 'subscribe' | 'TIME'

/** A place at which a command stands still. */
export interface Standstill {
  /** Resolves when a node's command has come as far as this. */
  reached: Promise<void>
  /** Lets it, and whatever queued up behind it, go on. */
  go(): void
}

/**
 * A relay between one node and Redis that knows our scripts: it stops a node, a process of its own, at any step of the
 * protocol. Everything else passes.
 */
export interface RedisGate extends AsyncDisposable {
  url: string
  /** Stops the next script or command of this name on its way there, or the answer to it on its way back. */
  stop(name: ScriptName | PlainCommand, where: 'before' | 'after'): Standstill
  /** Resets every connection, and every new one until `mend`. */
  cut(): void
  mend(): void
}

interface Planned {
  /** By which it is known among the bytes. */
  sign: string
  where: 'before' | 'after'
  reached: () => void
  open: Promise<void>
}

export async function startRedisGate(redisUrl: string): Promise<RedisGate> {
  const target = { host: '127.0.0.1', port: Number(new URL(redisUrl).port), noDelay: true }
  const planned: Planned[] = []
  const sockets = new Set<Socket>()
  let away = false

  /** Takes the plan that a chunk of commands sets off, if there is one. */
  function planFor(chunk: Buffer): Planned | undefined {
    const index = planned.findIndex(({ sign }) => chunk.includes(sign))
    return index < 0 ? undefined : planned.splice(index, 1)[0]
  }

  const server = createServer({ noDelay: true }, (node) => {
    if (away) {
      node.resetAndDestroy()
      return
    }
    const redis = connect(target)
    for (const socket of [node, redis]) {
      sockets.add(socket)
      // The end of one is the end of the other, whatever the reason.
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        node.destroy()
        redis.destroy()
      })
    }
    let standing: Planned | undefined
    node.on('data', (chunk: Buffer) => {
      const plan = planFor(chunk)
      if (plan === undefined || plan.where === 'after') {
        standing = plan ?? standing
        redis.write(chunk)
        return
      }
      node.pause()
      plan.reached()
      void plan.open.then(() => {
        if (!redis.destroyed) redis.write(chunk)
        node.resume()
      })
    })
    redis.on('data', (chunk: Buffer) => {
      const plan = standing
      if (plan === undefined) {
        node.write(chunk)
        return
      }
      standing = undefined
      redis.pause()
      plan.reached()
      void plan.open.then(() => {
        if (!node.destroyed) node.write(chunk)
        redis.resume()
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the gate has no port')
  const reset = () => {
    for (const socket of sockets) socket.destroy()
  }

  return {
    url: `redis://127.0.0.1:${address.port}`,
    stop(name, where) {
      const reached = Promise.withResolvers<void>()
      const open = Promise.withResolvers<void>()
      const sign =
        name in scripts
          ? createHash('sha1')
              .update(scripts[name as ScriptName])
              .digest('hex')
          : `\r\n${name}\r\n`
      planned.push({ sign, where, reached: reached.resolve, open: open.promise })
      return { reached: reached.promise, go: open.resolve }
    },
    cut() {
      away = true
      reset()
    },
    mend() {
      away = false
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      reset()
      await closed
    },
  }
}
