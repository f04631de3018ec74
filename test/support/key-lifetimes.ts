import { createClient } from 'redis'

export interface KeyLifetimes {
  /** How many keys were looked at. */
  keys: number
  /** Names of those that would stay for ever. */
  immortal: string[]
}

/** Looks at every key of a Redis for one without a lifetime. */
export async function readKeyLifetimes(url: string): Promise<KeyLifetimes> {
  const client = await createClient({ url }).connect()
  const found: KeyLifetimes = { keys: 0, immortal: [] }
  try {
    for await (const names of client.scanIterator({ COUNT: 1_000 })) {
      found.keys += names.length
      const left = await Promise.all(names.map((name) => client.pTTL(name)))
      // -1: it has none. -2: it has just run out.
      found.immortal.push(...names.filter((_, index) => left[index] === -1))
    }
  } finally {
    client.destroy()
  }
  return found
}
