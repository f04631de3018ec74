import { Pool } from 'undici'
import { browserHeaders } from './browser-session.ts'
import { connections } from './settings.ts'
import type { Peer } from './stage.ts'

/** How a call ended, and how long it took. */
export interface Answer {
  isServed: boolean
  ms: number
}

/** Sends single calls to a peer, where it matters what becomes of each. */
export interface Caller extends AsyncDisposable {
  call(cookie: string): Promise<Answer>
}

export function createCaller(peer: Peer): Caller {
  const pool = new Pool(`http://127.0.0.1:${peer.place.port}`, { connections: connections * 4 })
  return {
    async call(cookie) {
      const sent = performance.now()
      const response = await pool
        .request({ path: '/api/small', method: 'GET', headers: browserHeaders(peer, cookie) })
        .catch(() => null)
      await response?.body.dump()
      return { isServed: response?.statusCode === 200, ms: performance.now() - sent }
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  }
}
