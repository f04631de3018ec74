import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { browserHeaders, logInOften } from '../browser-session.ts'
import { callsAtOnce, connections, type Settings, shortLifeSeconds } from '../settings.ts'
import type { Peer, Stage } from '../stage.ts'
import { percentile } from '../statistics.ts'

/** What a peer does when access tokens run out. */
export interface Expiry {
  peer: string
  storm: {
    sessions: number
    calls: number
    served: number
    /** Until the last of them was served or failed. */
    seconds: number
    /** What the provider was asked for, and refused. */
    grants: number
    refused: number
  }
  /** Milliseconds of calls that found an expired token, and of calls right after them. */
  crossing: { calls: number; failed: number; p50: number; p99: number }
  between: { p50: number; p99: number }
}

/**
 * Real sessions with real refresh tokens. First all expire at once, and each is called several times at once, as an
 * application does that wakes up; then a few of them are called one by one, always just after their token ran out.
 */
export async function measureExpiry(stage: Stage, peer: Peer, settings: Settings, say: (line: string) => void) {
  const { counts } = stage.provider
  say(`expiry: ${peer.kind.name}: logging in ${settings.storm} times`)
  const cookies = await logInOften(peer, settings.storm)
  const pool = new Pool(`http://127.0.0.1:${peer.place.port}`, { connections: connections * 4 })

  async function call(cookie: string): Promise<{ ok: boolean; ms: number }> {
    const sent = performance.now()
    const response = await pool
      .request({ path: '/api/small', method: 'GET', headers: browserHeaders(peer, cookie) })
      .catch(() => null)
    await response?.body.dump()
    return { ok: response?.statusCode === 200, ms: performance.now() - sent }
  }

  try {
    await pause(shortLifeSeconds * 1000 + 500)
    say(`expiry: ${peer.kind.name}: ${callsAtOnce} calls at once of each of ${cookies.length} sessions`)
    const { refresh, refresh_refused } = counts
    const began = performance.now()
    const calls = cookies.flatMap((cookie) => Array.from({ length: callsAtOnce }, () => cookie))
    const answers = await Promise.all(calls.map(call))
    const storm = {
      sessions: cookies.length,
      calls: calls.length,
      served: answers.filter(({ ok }) => ok).length,
      seconds: (performance.now() - began) / 1000,
      grants: counts.refresh - refresh,
      refused: counts.refresh_refused - refresh_refused,
    }

    say(`expiry: ${peer.kind.name}: ${settings.crossings} calls, each just after its token ran out`)
    // Logged in anew: those of the storm may not have outlived it.
    const few = await logInOften(peer, Math.min(settings.crossings, 100))
    await pause(shortLifeSeconds * 1000 + 500)
    const crossing: { ok: boolean; ms: number }[] = []
    const between: number[] = []
    const spaceMs = (shortLifeSeconds * 1000 + 500) / few.length
    while (crossing.length < settings.crossings) {
      for (const cookie of few) {
        const next = pause(spaceMs)
        crossing.push(await call(cookie))
        between.push((await call(cookie)).ms)
        await next
      }
    }
    const ms = crossing.map((answer) => answer.ms)
    return {
      peer: peer.kind.name,
      storm,
      crossing: {
        calls: crossing.length,
        failed: crossing.filter(({ ok }) => !ok).length,
        p50: percentile(ms, 50),
        p99: percentile(ms, 99),
      },
      between: { p50: percentile(between, 50), p99: percentile(between, 99) },
    } satisfies Expiry
  } finally {
    await pool.destroy()
  }
}
