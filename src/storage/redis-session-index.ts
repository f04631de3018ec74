import type { IndexKind, Keys } from './keys.ts'
import type { Connection } from './redis-connection.ts'
import type { SessionIndex } from './session-index.ts'

/**
 * An index as one sorted set for each owner, scored by the store time at which an entry may be dropped (`enter.lua`). Every
 * operation touches one key, so that a cluster may put the owners, and their sessions, wherever it likes.
 */
export function createRedisSessionIndex(
  connection: Connection,
  keys: Keys,
  kind: IndexKind,
  now: () => number,
): SessionIndex {
  const { client, command } = connection
  const sessions = (owner: string) => keys.sessions(kind, owner)
  const loggedOut = (owner: string) => keys.loggedOut(kind, owner)

  return {
    async began(owner, ref, lifeMs) {
      await connection.run('enter', [sessions(owner)], [ref, now(), lifeMs])
    },
    async ended(owner, refs) {
      if (refs.length > 0) await command(client.zRem(sessions(owner), [...refs]))
    },
    list: (owner) => command(client.zRange(sessions(owner), 0, -1)),
    async newest(owner) {
      const [newest] = await command(client.zRangeWithScores(sessions(owner), -1, -1))
      return newest === undefined ? null : { ref: newest.value, place: newest.score }
    },
    async loggedOut(owner, at, lifeMs) {
      await connection.run('loggedOut', [loggedOut(owner)], [at, lifeMs])
    },
    async loggedOutAt(owner) {
      const at = await command(client.get(loggedOut(owner)))
      return at === null ? null : Number(at)
    },
  }
}
