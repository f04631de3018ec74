import type { Evidence, Violation } from '../violation.ts'

/** After the storm a session that has not ended works, with the newest token that was issued to it. */
export function newest({ history, chains }: Evidence): Violation[] {
  const tokenOf = new Map(history.uses.map((use) => [use.call, use.token]))
  const last = new Map(history.calls.flatMap((call) => (call.last ? [[call.ref, call]] : [])))

  return [...last.values()].flatMap((call): Violation[] => {
    const { ref, status } = call
    const chain = chains.get(ref)
    const accuse = (sentence: string): Violation[] => [
      { rule: 'stored is not the newest', sentence, ref, events: [call, chain?.presentations.flat().slice(-6)] },
    ]
    // Whether it had to end is another rule's question.
    if (status === 401) return []
    if (status !== 200) return accuse(`after the storm its call was answered with ${status}`)
    const generation = chain?.generationOf.get(tokenOf.get(call.id) ?? '')
    if (chain === undefined || generation === undefined)
      return accuse('its call was made with a token of another session')
    const issued = chain.issuedAt.findLastIndex((at) => at < call.began)
    if (generation >= issued) return []
    return accuse(`its call was made with token ${generation + 1}, and token ${issued + 1} had been issued`)
  })
}
