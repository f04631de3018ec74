import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startChild } from './child-process.ts'

/** One run of a Redis server: a local process, or a container where no server is installed. */
interface RedisProgram {
  output(): string
  ended: Promise<number>
  pause(): Promise<void>
  resume(): Promise<void>
  kill(): Promise<void>
  /** The file that SAVE has written. */
  readDumpFile(): Promise<Buffer>
}

const withoutPersistence = ['--save', '', '--appendonly', 'no']

/** `TEST_REDIS_PROGRAM`: a path, or `docker`. */
export async function startRedisProgram(
  port: number,
  directory: string,
  settings: readonly string[],
): Promise<RedisProgram> {
  const program = process.env['TEST_REDIS_PROGRAM'] ?? 'redis-server'
  const args = [...withoutPersistence, ...settings]
  return program === 'docker' ? await startContainer(port, args) : await startLocal(program, port, directory, args)
}

async function startLocal(
  program: string,
  port: number,
  directory: string,
  args: readonly string[],
): Promise<RedisProgram> {
  const child = await startChild(program, [...args, '--bind', '127.0.0.1', '--port', String(port), '--dir', directory])
  return {
    output: child.output,
    ended: child.ended,
    pause: async () => child.signal('SIGSTOP'),
    resume: async () => child.signal('SIGCONT'),
    kill: child.kill,
    readDumpFile: () => readFile(join(directory, 'dump.rdb')),
  }
}

async function startContainer(port: number, args: readonly string[]): Promise<RedisProgram> {
  const name = `coatcheck-test-${randomUUID()}`
  const docker = async (...args: string[]): Promise<Buffer> => {
    const { stdout } = await promisify(execFile)('docker', args, { encoding: 'buffer', maxBuffer: 1 << 30 })
    return stdout
  }
  const run = ['run', '--rm', '--name', name, '--publish', `127.0.0.1:${port}:6379`, 'redis:7']
  const child = await startChild('docker', [...run, 'redis-server', ...args], {
    beforeKill: `docker rm --force ${name}`,
  })
  return {
    output: child.output,
    ended: child.ended,
    pause: async () => void (await docker('pause', name)),
    resume: async () => void (await docker('unpause', name)),
    kill: async () => {
      await docker('rm', '--force', name)
      await child.ended
    },
    readDumpFile: () => docker('exec', name, 'cat', '/data/dump.rdb'),
  }
}
