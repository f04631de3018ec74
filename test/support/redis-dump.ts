import { createClient, RESP_TYPES } from 'redis'

/**
 * All keys and all values of a Redis, of every database and type, and the bytes of its RDB file, one after another.
 * @param readDumpFile reads the file that SAVE has written
 */
export async function dumpRedis(url: string, readDumpFile: () => Promise<Buffer>): Promise<Buffer> {
  const client = createClient({ url })
  await client.connect()
  try {
    const seen = await readKeys(client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }))
    // Small lists, sets and hashes are one compressible blob in the RDB file; without this it could not be searched.
    await client.configSet('rdbcompression', 'no')
    await client.sendCommand(['SAVE'])
    return Buffer.concat([...seen.flatMap((item) => [item, Buffer.from('\n')]), await readDumpFile()])
  } finally {
    client.destroy()
  }
}

interface CommandSender {
  sendCommand(command: (string | Buffer)[]): Promise<unknown>
}

async function readKeys(client: CommandSender): Promise<Buffer[]> {
  const seen: Buffer[] = []
  const [, databases] = flatten(await client.sendCommand(['CONFIG', 'GET', 'databases']))
  for (let database = 0; database < Number(databases); database += 1) {
    await client.sendCommand(['SELECT', String(database)])
    for (const key of flatten(await client.sendCommand(['KEYS', '*']))) {
      const type = String(await client.sendCommand(['TYPE', key]))
      if (type === 'none') continue // it has just run out
      const reader = readers[type]
      if (reader === undefined) throw new Error(`cannot read a ${type} of Redis`)
      seen.push(key, ...flatten(await client.sendCommand(reader(key))))
    }
  }
  return seen
}

const readers: Readonly<Record<string, (key: Buffer) => [string, ...(string | Buffer)[]]>> = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  stream: (key) => ['XRANGE', key, '-', '+'],
}

/** The scalars of a reply of any shape. */
function flatten(reply: unknown): Buffer[] {
  if (Buffer.isBuffer(reply)) return [reply]
  if (Array.isArray(reply)) return reply.flatMap(flatten)
  if (reply instanceof Map) return [...reply].flatMap(flatten)
  if (typeof reply === 'object' && reply !== null) return Object.entries(reply).flatMap(flatten)
  return [Buffer.from(String(reply))]
}
