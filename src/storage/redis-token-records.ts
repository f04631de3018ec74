import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import type { Keys } from './keys.ts'
import { type Connection, nullIfWrongType } from './redis-connection.ts'
import { createReplicaWait } from './replica-wait.ts'
import type { ScriptName } from './scripts.ts'
import type { Acquired, Change, Ended, EndReason, Gone, Marked, Replaced, TokenRecord, TokenRecords } from './store.ts'

/** The fields of a record in the order in which `prelude.lua` and `read` ask for them. */
const fields = ['set', 'epoch', 'version', 'attempt', 'n', 'beat', 'declined', 'notBefore', 'extendedAt']

/** Keys that Redis looks at in one step. */
const scanned = 1_000

type Values = readonly (string | number | null | undefined)[]

/**
 * Token records as Redis hashes; what each script does and answers stands in its file.
 * @param durable the connection for what a failover must not lose, and how many replicas must have it
 */
export function createRedisTokenRecords(
  connection: Connection,
  durable: { connection: Connection; waitReplicas: number },
  keys: Keys,
  timing: Timing,
  say: Say,
): TokenRecords {
  const { client, command } = connection
  const { waitReplicas } = durable
  const replicasReached = createReplicaWait(durable.connection, waitReplicas, Math.floor(timing.store / 2))

  async function run(script: ScriptName, ref: string, args: readonly (string | number)[], on = connection) {
    const touched = [keys.tokens(ref), keys.lease(ref), keys.ended(ref), keys.session(ref)]
    const reply = await on.run(script, touched, [keys.changed, ref, ...args])
    if (reply === null || typeof reply === 'string') throw new TypeError(`${script}: unexpected reply`)
    return reply
  }

  /** Too few replicas in time is no failure: Redis has it, and would be alone with it in a failover. */
  async function runDurably(script: ScriptName, ref: string, args: readonly (string | number)[]) {
    const reply = await run(script, ref, args, durable.connection)
    if (waitReplicas === 0) return reply
    const replicas = await replicasReached()
    if (replicas < waitReplicas) say('replicas_late', { ref, script, replicas, waitReplicas })
    return reply
  }

  return {
    async *all() {
      let cursor = '0'
      do {
        const reply = await command(client.scan(cursor, { MATCH: keys.tokens('*'), COUNT: scanned }))
        cursor = reply.cursor
        // SCAN may show a key twice. To remember them all would take more memory than a node that serves users can spare.
        for (const key of reply.keys) yield keys.refOf(key)
      } while (cursor !== '0')
    },
    // As it goes over the wire: the client's own `hmGet` adds three promises to each request.
    read: (ref) =>
      command(client.sendCommand<Values>(['HMGET', keys.tokens(ref), ...fields])).then(readRecord, nullIfWrongType),
    async begin(ref, { epoch, set, idleMs, absoluteMs, grantEndsAt = 0 }) {
      const [is] = await run('begin', ref, [epoch, set, idleMs, absoluteMs, grantEndsAt])
      return is === 'begun' ? 'begun' : 'exists'
    },
    async remaining(ref, idleMs = 0, onceInMs = 0) {
      const reply = await run('remaining', ref, [idleMs, onceInMs])
      const [is, idle, absolute, longest] = reply
      if (is !== 'remaining') return gone(reply)
      return { is, idleMs: Number(idle), absoluteMs: Number(absolute), longestMs: Number(longest) }
    },
    async acquire(ref, { id, epoch, version, doubt, open, leaseMs }): Promise<Acquired> {
      const args = [id, epoch, version, doubt?.attempt ?? '', doubt?.beat ?? 0, open ? 1 : 0, leaseMs]
      const reply = await run('acquire', ref, args)
      const [is, first, second] = reply
      if (is === 'busy' || is === 'later') return { is, forMs: Number(first) }
      if (is === 'doubt') return { is, doubt: { attempt: String(first), beat: Number(second) } }
      if (is === 'acquired' || is === 'changed') return withRecord(is, reply)
      return gone(reply)
    },
    async mark(ref, { id, epoch, version, previous, unanswered, leaseMs, renewal }): Promise<Marked> {
      const write = renewal ? run : runDurably
      const reply = await write('mark', ref, [id, epoch, version, previous ?? '', unanswered, leaseMs])
      const [is] = reply
      if (is === 'marked' || is === 'lost') return { is }
      if (is === 'changed') return withRecord(is, reply)
      return gone(reply)
    },
    async replace(ref, { id, epoch, version, unanswered, set, grantEndsAt = 0 }): Promise<Replaced> {
      const reply = await runDurably('replace', ref, [id, epoch, version, unanswered, set, grantEndsAt])
      const [is] = reply
      if (is === 'stored') return { is }
      if (is === 'stale') return withRecord(is, reply)
      return gone(reply)
    },
    async writeSession(ref, text, lifeSeconds) {
      const [is] = await run('writeSession', ref, [text, lifeSeconds])
      return is === 'written' ? is : 'gone'
    },
    async rewriteSession(ref, { by, before, after }) {
      const [is] = await run('rewriteSession', ref, [by, before, after])
      return is === 'written' ? is : 'changed'
    },
    async rewriteSet(ref, { before, after }) {
      const [is] = await run('rewriteSet', ref, [before, after])
      return is === 'written' ? is : 'changed'
    },
    async release(ref, { id, epoch, version, left, declined, backoffMs }) {
      await run('release', ref, [id, epoch, version, left, declined, backoffMs])
    },
    async end(ref, reason, fence): Promise<Ended> {
      const args = [reason, fence?.id ?? '', fence?.epoch ?? '', fence?.version ?? '', timing.ended]
      const [is, why, set] = await runDurably('end', ref, args)
      if (is === 'none' || is === 'notMine') return { is }
      return { is: is === 'ended' ? 'ended' : 'already', reason: endReason(why), set: text(set) }
    },
    async forget(ref) {
      await command(client.hDel(keys.ended(ref), 'set'))
    },
  }
}

/** A message on the channel, as the scripts publish them. */
export function readChange(message: string, tell: (change: Change) => void): void {
  const [ref = '', is, detail = ''] = message.split(' ')
  if (is === 'stored') tell({ is, ref })
  else if (is === 'failed') tell({ is, ref, left: Number(detail) })
  else if (is === 'ended') tell({ is, ref, reason: endReason(detail) })
}

/** What `read` takes for no record is none here either. */
function withRecord<Is extends string>(is: Is, reply: Values): Gone | { is: Is; record: TokenRecord } {
  const record = readRecord(reply.slice(1))
  return record === null ? { is: 'gone', reason: 'expired' } : { is, record }
}

function readRecord(values: Values): TokenRecord | null {
  const [set, epoch, version, attempt, unanswered, beat, declined, notBefore, extendedAt] = values
  // What lacks one of these was not written by us; a refresh could never get hold of it.
  if (typeof set !== 'string' || typeof epoch !== 'string' || !(Number(version) > 0)) return null
  return {
    set,
    epoch,
    version: Number(version),
    attempt: text(attempt),
    unanswered: Number(unanswered ?? 0),
    beat: Number(beat ?? 0),
    declined: Number(declined ?? 0),
    notBefore: Number(notBefore ?? 0),
    extendedAt: Number(extendedAt ?? 0),
  }
}

function gone(reply: Values): Gone {
  const reason = reply[1]
  return { is: 'gone', reason: reason === 'expired' ? 'expired' : endReason(reason) }
}

function endReason(value: unknown): EndReason {
  return value as EndReason // our own scripts wrote it, from an EndReason
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
