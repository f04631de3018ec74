import { createExpiringMap, type ExpiringMap } from './expiring-map.ts'
import type { Change, EndReason, Fence, Gone, TokenRecord, TokenRecords } from './store.ts'

interface Kept extends TokenRecord {
  by: string
  from: { version: number; presentation: number }
  endsAt: number
  grantEndsAt: number | undefined
  idleMs: number
}

/**
 * The scripts' twins for one process: the same states and answers (each script's file says what they mean), every
 * operation run to its end before another begins.
 */
export function createMemoryTokenRecords(
  now: () => number,
  tell: (change: Change) => void,
  sessions: ExpiringMap<string>,
  endedMs: number,
): TokenRecords {
  const records = createExpiringMap<Kept>(now)
  const leases = createExpiringMap<string>(now)
  const endeds = createExpiringMap<{ reason: EndReason; by: string | null; set: string | null }>(now)

  const gone = (ref: string): Gone => ({ is: 'gone', reason: endeds.get(ref)?.reason ?? 'expired' })
  const sameRecord = (record: Kept, fence: Fence) => record.epoch === fence.epoch && record.version === fence.version
  const dropLeaseOf = (ref: string, id: string) => {
    if (leases.get(ref) === id) leases.delete(ref)
  }

  return {
    async *all() {
      yield* records.keys()
    },
    async read(ref) {
      const record = records.get(ref)
      return record === undefined ? null : shown(record)
    },
    async begin(ref, { epoch, set, idleMs, absoluteMs, grantEndsAt }) {
      if (records.get(ref) !== undefined || endeds.get(ref) !== undefined) return 'exists'
      const at = now()
      const first = { set, epoch, version: 1, by: '', from: { version: 0, presentation: 0 } }
      const limits = { endsAt: at + absoluteMs, grantEndsAt, extendedAt: at, idleMs }
      records.set(ref, { ...first, ...answered, ...limits }, leftOf(limits, at))
      return 'begun'
    },
    async remaining(ref, idleMs = 0, onceInMs = 0) {
      const record = records.get(ref)
      if (record === undefined) return gone(ref)
      const at = now()
      if (idleMs > 0 && at - record.extendedAt >= onceInMs) {
        Object.assign(record, { extendedAt: at, idleMs })
        records.expire(ref, leftOf(record, at))
      }
      const absoluteMs = Math.min(record.endsAt, record.grantEndsAt ?? record.endsAt) - at
      return { is: 'remaining', idleMs: records.left(ref), absoluteMs, longestMs: record.endsAt - at }
    },
    async acquire(ref, flight) {
      const record = records.get(ref)
      if (record === undefined) return gone(ref)
      if (!sameRecord(record, flight)) return { is: 'changed', record: shown(record) }
      const holder = leases.get(ref)
      if (holder !== undefined && holder !== flight.id) return { is: 'busy', forMs: leases.left(ref) }
      const wait = record.notBefore - now()
      if (wait > 0) return { is: 'later', forMs: wait }
      const { attempt, beat } = record
      if (attempt === '-') {
        if (!flight.open) return { is: 'later', forMs: 0 }
      } else if (attempt !== null && (attempt !== flight.doubt?.attempt || beat !== flight.doubt.beat)) {
        return { is: 'doubt', doubt: { attempt, beat } }
      }
      leases.set(ref, flight.id, flight.leaseMs)
      return { is: 'acquired', record: shown(record) }
    },
    async mark(ref, flight) {
      const record = records.get(ref)
      if (record === undefined) return gone(ref)
      if (!sameRecord(record, flight)) return { is: 'changed', record: shown(record) }
      const { attempt } = record
      const holder = leases.get(ref)
      const mine = attempt === flight.id
      if (holder !== flight.id && !(holder === undefined && mine)) return { is: 'lost' }
      if (attempt !== null && attempt !== flight.previous && !mine) return { is: 'lost' }
      record.beat = mine ? record.beat + 1 : 0
      record.attempt = flight.id
      record.unanswered = Math.max(flight.unanswered, record.unanswered)
      leases.set(ref, flight.id, flight.leaseMs)
      return { is: 'marked' }
    },
    async replace(ref, flight) {
      const record = records.get(ref)
      if (record === undefined) return gone(ref)
      if (record.by !== flight.id) {
        const { from } = record
        const overtakenByMe =
          record.epoch === flight.epoch &&
          record.attempt === null &&
          from.version === flight.version &&
          from.presentation < flight.unanswered
        if (!sameRecord(record, flight) && !overtakenByMe) return { is: 'stale', record: shown(record) }
        const version = record.version + 1
        const newFrom = { version: flight.version, presentation: flight.unanswered }
        const { set, grantEndsAt } = flight
        Object.assign(record, answered, { set, version, by: flight.id, from: newFrom, grantEndsAt })
        records.expire(ref, leftOf(record, now()))
      }
      dropLeaseOf(ref, flight.id)
      tell({ is: 'stored', ref })
      return { is: 'stored' }
    },
    async writeSession(ref, text, lifeSeconds) {
      if (records.get(ref) === undefined) return 'gone'
      sessions.set(ref, text, lifeSeconds * 1000)
      return 'written'
    },
    async rewriteSession(ref, { by, before, after }) {
      const text = sessions.get(ref)
      if (records.get(ref)?.by !== by || (text !== before && text !== after)) return 'changed'
      sessions.set(ref, after, sessions.left(ref))
      return 'written'
    },
    async rewriteSet(ref, { before, after }) {
      const record = records.get(ref)
      if (record === undefined || (record.set !== before && record.set !== after)) return 'changed'
      record.set = after
      return 'written'
    },
    async release(ref, flight) {
      const record = records.get(ref)
      if (record !== undefined && sameRecord(record, flight) && record.attempt === flight.id) {
        record.attempt = flight.left === 0 ? null : '-'
        record.unanswered = flight.left
        if (flight.left === 0) record.beat = 0
        record.declined = flight.declined
        record.notBefore = flight.backoffMs > 0 ? now() + flight.backoffMs : 0
      }
      dropLeaseOf(ref, flight.id)
      tell({ is: 'failed', ref, left: flight.left })
    },
    async end(ref, reason, fence) {
      const record = records.get(ref)
      const before = endeds.get(ref)
      if (fence !== null && before?.by === fence.id) return { is: 'ended', reason: before.reason, set: before.set }
      if (fence !== null && !(record !== undefined && sameRecord(record, fence) && record.attempt === fence.id)) {
        return { is: 'notMine' }
      }
      if (record !== undefined) {
        records.delete(ref)
        sessions.delete(ref)
        endeds.set(ref, { reason, by: fence?.id ?? null, set: record.set }, endedMs)
        tell({ is: 'ended', ref, reason })
        return { is: 'ended', reason, set: record.set }
      }
      return before === undefined ? { is: 'none' } : { is: 'already', reason: before.reason, set: before.set }
    },
    async forget(ref) {
      const ended = endeds.get(ref)
      if (ended !== undefined) ended.set = null
    },
  }
}

type Limits = Pick<Kept, 'endsAt' | 'grantEndsAt' | 'extendedAt' | 'idleMs'>

/** Milliseconds until the first of the limits. */
function leftOf({ endsAt, grantEndsAt = endsAt, extendedAt, idleMs }: Limits, at: number): number {
  return Math.max(Math.min(extendedAt + idleMs, endsAt, grantEndsAt) - at, 1)
}

function shown({ set, epoch, version, attempt, unanswered, beat, declined, notBefore, extendedAt }: Kept): TokenRecord {
  return { set, epoch, version, attempt, unanswered, beat, declined, notBefore, extendedAt }
}

/** A record whose token is in no doubt. */
const answered = { attempt: null, unanswered: 0, beat: 0, declined: 0, notBefore: 0 }
