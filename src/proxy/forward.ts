import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import type { BffError } from '../errors.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import { createPassBack } from './pass-back.ts'

/** What an upstream is asked, beside what the client's request says itself. */
export interface Forwarded {
  origin: string
  path: string
  headers: string[]
  /**
   * Asked when the upstream has refused the access token as invalid: other headers to try once more with, or `null`
   * to let the refusal stand. Never asked twice.
   */
  whenRefused: () => Promise<string[] | null>
}

/** Streams one request to an upstream and its response back. */
export interface Forwarder {
  /**
   * Resolves when the response has been passed on, or its client has left.
   * @throws BffError `upstream_unreachable`, `upstream_timeout`, or what `whenRefused` threw, when nothing has been sent
   *   to the client yet
   */
  forward(request: IncomingMessage, response: ServerResponse, forwarded: Forwarded): Promise<void>
  close(): Promise<void>
}

/** May be sent twice (RFC 9110, section 9.2.2); only without a body, which is not kept. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export function createForwarder(timing: Timing, say: Say): Forwarder {
  const pools = new Map<string, Pool>()

  function poolOf(origin: string): Pool {
    const known = pools.get(origin)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connect: { timeout: timing.connect },
      headersTimeout: timing.firstByte,
      bodyTimeout: timing.idleBody,
      // undici takes an HTTP/2 body that was cut off for a complete one.
      allowH2: false,
    })
    pools.set(origin, pool)
    return pool
  }

  return {
    forward(request, response, { origin, path, headers, whenRefused }) {
      const pool = poolOf(origin)
      const method = request.method as Dispatcher.HttpMethod // Node's parser accepts no other tokens
      const { 'transfer-encoding': chunked, 'content-length': length } = request.headers
      const body = chunked !== undefined || Number(length) > 0 ? request : null

      return new Promise<void>((resolve, reject: (error: BffError) => void) => {
        const ends = { resolve, reject, brokeOff: (error: Error) => say('upstream_broke_off', { origin }, error) }
        const again = (fresh: string[]) => {
          pool.dispatch({ path, method, headers: fresh, body }, createPassBack(request, response, ends, null))
        }
        const refusal = { ask: whenRefused, again: body === null && idempotent.has(method) ? again : null }
        pool.dispatch({ path, method, headers, body }, createPassBack(request, response, ends, refusal))
      })
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}
