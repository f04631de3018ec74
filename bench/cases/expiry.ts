import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { browserHeaders, logInOften } from '../browser-session.ts'
import type { Section } from '../report.ts'
import { callsAtOnce, connections, type Settings, shortLifeSeconds } from '../settings.ts'
import type { Peer, Stage } from '../stage.ts'
import { percentile } from '../statistics.ts'

/** What a peer does when access tokens run out. */
interface Expiry {
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

/** @param stage one whose access tokens live `shortLifeSeconds` */
export async function measureExpiries(
  stage: Stage,
  settings: Settings,
  say: (line: string) => void,
): Promise<Section[]> {
  const rows: Expiry[] = []
  for (const peer of stage.peers) rows.push(await measureExpiry(stage, peer, settings, say))
  return [
    {
      title: 'All access tokens expire at once',
      note: `They live ${shortLifeSeconds} seconds, and refresh tokens are good once; after all have expired every session is called ${callsAtOnce} times at once.`,
      table: [
        ['peer', 'sessions', 'calls', 'served', 'seconds', 'grants', 'refused grants'],
        ...rows.map(({ peer, storm }) => [
          peer,
          ...[storm.sessions, storm.calls, storm.served].map(String),
          storm.seconds.toFixed(1),
          ...[storm.grants, storm.refused].map(String),
        ]),
      ],
    },
    {
      title: 'A call that finds an expired token',
      note: 'One at a time, each just after its token ran out.',
      table: [
        ['peer', 'calls', 'failed', 'p50 / p99 ms', 'p50 / p99 ms of the call right after'],
        ...rows.map(({ peer, crossing, between }) => [
          peer,
          String(crossing.calls),
          String(crossing.failed),
          `${crossing.p50.toFixed(1)} / ${crossing.p99.toFixed(1)}`,
          `${between.p50.toFixed(1)} / ${between.p99.toFixed(1)}`,
        ]),
      ],
    },
  ]
}

/**
 * Real sessions with real refresh tokens. First all expire at once, and each is called several times at once, as an
 * application does that wakes up; then a few of them are called one by one, always just after their token ran out.
 */
async function measureExpiry(stage: Stage, peer: Peer, settings: Settings, say: (line: string) => void) {
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
