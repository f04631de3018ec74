import { setImmediate as turn } from 'node:timers/promises'
import type { Connection } from './redis-connection.ts'

/**
 * Waits until replicas have what this connection has written so far.
 * @returns how many have it, fewer than asked for when it takes them too long
 * @throws BffError `store_unreachable`
 */
export type ReplicaWait = () => Promise<number>

/**
 * WAIT holds up its connection. While a replica is away each takes its full time, and one for each write would keep
 * those behind it from being answered at all: so one goes at a time, for all that have been written when it is sent.
 */
export function createReplicaWait({ client, command }: Connection, replicas: number, atMostMs: number): ReplicaWait {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<number> | undefined

  async function waitAfter(before: Promise<unknown>): Promise<number> {
    await before.catch(() => undefined) // whoever waited for that one hears of it
    // What stood behind it is answered together with it, and comes along.
    await turn()
    next = undefined
    return command(client.sendCommand<number>(['WAIT', String(replicas), String(atMostMs)]))
  }

  return () => {
    if (next === undefined) last = next = waitAfter(last)
    return next
  }
}
