import { setTimeout as pause } from 'node:timers/promises'
import { logInOften } from '../browser-session.ts'
import { type Answer, createCaller } from '../caller.ts'
import { type Section, withRange } from '../report.ts'
import { expiredAfterMs, type Settings } from '../settings.ts'
import type { Peer, Stage } from '../stage.ts'
import { inRounds, percentile, spreadOf } from '../statistics.ts'

/** Calls that found an expired token, and calls right after them. */
interface Crossings {
  crossing: Answer[]
  between: Answer[]
}

/** @param stage one whose access tokens live `shortLifeSeconds` */
export async function measureCrossings(
  stage: Stage,
  settings: Settings,
  say: (line: string) => void,
): Promise<Section> {
  const { crossings: count, rounds } = settings
  const sessions = new Map<Peer, string[]>()
  for (const peer of stage.peers) sessions.set(peer, await logInOften(peer, count))
  await pause(expiredAfterMs)
  const measured = await inRounds(stage.peers, rounds.others, (peer) => {
    say(`crossings: ${peer.kind.name}: ${count} calls, each after its token ran out`)
    return measureRound(peer, sessions.get(peer) ?? [])
  })
  return {
    title: 'A call that finds an expired token',
    note: `One at a time, each after its token ran out, and right after it a call that finds a fresh one; ${count} of each a round (${rounds.others}). The upstream, and who is left out, are as above.`,
    table: [
      ['peer', 'calls', 'failed', 'p50 ms', 'p99 ms', 'p50 ms right after', 'p99 ms right after'],
      ...[...measured].map(([{ kind }, rounds]) => {
        const crossing = rounds.flatMap((round) => round.crossing)
        const cell = (key: keyof Crossings, percent: number) =>
          withRange(spreadOf(rounds.map((round) => percentile(msOf(round[key]), percent))), 1)
        return [
          kind.name,
          String(crossing.length),
          String(crossing.filter(({ isServed }) => !isServed).length),
          ...[cell('crossing', 50), cell('crossing', 99), cell('between', 50), cell('between', 99)],
        ]
      }),
    ],
  }
}

/** Takes as long as tokens live, so that those of the first session have run out when the round is over. */
async function measureRound(peer: Peer, cookies: readonly string[]): Promise<Crossings> {
  await using caller = createCaller(peer)
  const crossing: Answer[] = []
  const between: Answer[] = []
  for (const cookie of cookies) {
    const next = pause(expiredAfterMs / cookies.length)
    crossing.push(await caller.call(cookie))
    between.push(await caller.call(cookie))
    await next
  }
  return { crossing, between }
}

function msOf(answers: readonly Answer[]): number[] {
  return answers.map(({ ms }) => ms)
}
