import { readFileSync } from 'node:fs'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { Timing } from '../timing.ts'
import { Connection, type Passenger } from './connection.ts'
import type { Target } from './target.ts'

/** Connections to one route's upstream, kept apart from every other route's: a slow one holds up nobody else. */
export interface Upstream {
  dispatch(request: Dispatcher.DispatchOptions, handler: Passenger): void
  /** The same by a connection that serves this request alone. */
  dispatchAlone(request: Dispatcher.DispatchOptions, handler: Passenger): void
  /** Breaks off whatever is under way. */
  destroy(): Promise<void>
}

export function createUpstream({ route, origin }: Target, timing: Timing): Upstream {
  const { connect, firstByte } = route.timeouts
  const { ca, cert, key } = route.tls ?? {}
  const connector = buildConnector({
    timeout: milliseconds(connect) ?? timing.connect,
    // undici takes an HTTP/2 body that was cut off for a complete one.
    allowH2: false,
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
  })
  const options: Pool.Options = {
    headersTimeout: milliseconds(firstByte) ?? timing.firstByte,
    bodyTimeout: 0, // has to be set before it is known what comes
    allowH2: false,
    factory: (url, given) => new Connection(url, given, connector),
  }
  const alone = new Pool(origin, { ...options, pipelining: 0 })
  let pool = new Pool(origin, options)
  const retired = new Set<Pool>()

  /** undici's own `clientTtl` does the same, but asks the clock for every open connection at every request. */
  function renew() {
    const old = pool
    pool = new Pool(origin, options)
    retired.add(old)
    void old.close().finally(() => retired.delete(old))
  }
  const renewal = setInterval(renew, timing.connectionLife).unref()

  return {
    dispatch: (request, handler) => void pool.dispatch(request, handler),
    dispatchAlone: (request, handler) => void alone.dispatch(request, handler),
    async destroy() {
      clearInterval(renewal)
      await Promise.all([pool, alone, ...retired].map((each) => each.destroy()))
    },
  }
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000
}
