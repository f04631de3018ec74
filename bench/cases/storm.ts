import { setTimeout as pause } from 'node:timers/promises'
import { logInOften } from '../browser-session.ts'
import { createCaller } from '../caller.ts'
import { type Section, withRange } from '../report.ts'
import { callsAtOnce, expiredAfterMs, type Settings, shortLifeSeconds } from '../settings.ts'
import type { Peer, Stage } from '../stage.ts'
import { inRounds, spreadOf } from '../statistics.ts'

/** What became of the calls that came when all access tokens had run out. */
interface Storm {
  served: number
  /** Until the last of them was served or failed. */
  seconds: number
  /** What the provider was asked for, and refused. */
  grants: number
  refused: number
}

/**
 * Real sessions with real refresh tokens, each of which is called several times at once, as an application does that
 * wakes up.
 * @param stage one whose access tokens live `shortLifeSeconds`
 */
export async function measureStorms(stage: Stage, settings: Settings, say: (line: string) => void): Promise<Section> {
  const { storm: count, rounds } = settings
  const sessions = new Map<Peer, string[]>()
  for (const peer of stage.peers) {
    say(`storm: ${peer.kind.name}: logging in ${count * rounds.others} times`)
    sessions.set(peer, await logInOften(peer, count * rounds.others))
  }
  await pause(expiredAfterMs)
  const storms = await inRounds(stage.peers, rounds.others, async (peer) => {
    // A session has but one storm: not with every peer does it outlive it.
    const storm = await measureStorm(stage, peer, sessions.get(peer)?.splice(0, count) ?? [])
    say(`storm: ${peer.kind.name}: ${storm.served} of ${count * callsAtOnce} calls served`)
    return storm
  })
  return {
    title: 'All access tokens expire at once',
    note: `They live ${shortLifeSeconds} seconds, and refresh tokens are good once. In each round (${rounds.others}) another ${count.toLocaleString('en')} sessions, whose tokens have all expired, are called ${callsAtOnce} times at once each. The upstream is Node.js here and refuses expired tokens, which mod_auth_openidc sends where it was refused a grant. nginx has no tokens that expire; coatcheck as Express middleware refreshes by the same code.`,
    table: [
      ['peer', 'calls', 'served', 'seconds', 'grants', 'refused grants'],
      ...[...storms].map(([{ kind }, rounds]) => {
        const cell = (key: keyof Storm, digits = 0) => withRange(spreadOf(rounds.map((round) => round[key])), digits)
        const calls = (count * callsAtOnce).toLocaleString('en')
        return [kind.name, calls, cell('served'), cell('seconds', 1), cell('grants'), cell('refused')]
      }),
    ],
  }
}

async function measureStorm({ provider }: Stage, peer: Peer, cookies: readonly string[]): Promise<Storm> {
  await using caller = createCaller(peer)
  const { refresh, refresh_refused } = provider.counts
  const began = performance.now()
  const calls = cookies.flatMap((cookie) => Array.from({ length: callsAtOnce }, () => caller.call(cookie)))
  const answers = await Promise.all(calls)
  return {
    served: answers.filter(({ isServed }) => isServed).length,
    seconds: (performance.now() - began) / 1000,
    grants: provider.counts.refresh - refresh,
    refused: provider.counts.refresh_refused - refresh_refused,
  }
}
