import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { freePort } from './free-port.ts'
import { dumpRedis } from './redis-dump.ts'
import { startRedisProgram } from './redis-program.ts'

/** A Redis server of one's own, which may be frozen, killed and started again. */
export interface OwnRedis extends AsyncDisposable {
  url: string
  port: number
  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** SIGKILL: connections are reset, the data is gone. */
  kill(): Promise<void>
  /** An empty server on the same port. */
  restart(): Promise<void>
  /** Everything that someone who got hold of this server can read. */
  dump(): Promise<Buffer>
  close(): Promise<void>
}

/**
 * Starts an empty Redis on a free port of 127.0.0.1, without persistence. It dies with this process.
 * @param settings further arguments of the server, which come last and so win
 */
export async function startRedis(settings: readonly string[] = []): Promise<OwnRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-redis-'))
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const start = async () => {
    const program = await startRedisProgram(port, directory, settings)
    const ended = program.ended.then(() => Promise.reject(new Error(`Redis did not start:\n${program.output()}`)))
    await untilAnswers(url, ended)
    return program
  }
  let program = await start()

  const close = async (): Promise<void> => {
    await program.kill()
    await rm(directory, { recursive: true, force: true })
  }
  return {
    url,
    port,
    pause: () => program.pause(),
    resume: () => program.resume(),
    kill: () => program.kill(),
    restart: async () => {
      await program.kill()
      program = await start()
    },
    dump: () => dumpRedis(url, () => program.readDumpFile()),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Waits until the server takes commands, not merely connections, or has ended. */
async function untilAnswers(url: string, ended: Promise<never>): Promise<void> {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } })
  client.on('error', () => {
    // Refused while the server starts; the client tries again.
  })
  const answered = async () => {
    await client.connect()
    // While it reads back what it had kept, it says so and nothing else.
    while (client.isOpen && (await client.ping().catch(() => null)) === null) await pause(10)
  }
  try {
    await Promise.race([answered(), ended])
  } finally {
    client.destroy()
  }
}
