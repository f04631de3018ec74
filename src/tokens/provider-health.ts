/** So many silences in a row, across sessions, and the provider is left alone but for probes. */
const breakerLimit = 3

/**
 * What this node has seen of the token endpoint, across all sessions: `docs/refresh-protocol.md`, "When a token in
 * doubt is presented again".
 */
export interface ProviderHealth {
  /** The token endpoint answered, with whatever status. */
  answered(): void
  /** A presentation got no answer: ours, or one the channel told of. */
  silent(whose: 'ours' | 'learned'): void
  /** Whether a flight may begin here. Where none may, one each `probe` goes as the probe, whatever its token. */
  mayFly(): 'yes' | 'as probe' | 'no'
  /** Whether a token in doubt may be presented: the last answer is later than the last silence, or as the probe. */
  mayPresentDoubtful(): boolean
}

export function createProviderHealth(probeMs: number): ProviderHealth {
  let lastAnswer = Number.NEGATIVE_INFINITY
  let lastSilence = 0
  let silentInARow = 0
  let lastProbe = Number.NEGATIVE_INFINITY

  function mayProbe(): boolean {
    const at = performance.now()
    if (at - lastProbe < probeMs) return false
    lastProbe = at
    return true
  }

  return {
    answered() {
      lastAnswer = performance.now()
      silentInARow = 0
    },
    silent(whose) {
      lastSilence = performance.now()
      if (whose === 'ours') silentInARow += 1
    },
    mayFly() {
      if (silentInARow < breakerLimit) return 'yes'
      return mayProbe() ? 'as probe' : 'no'
    },
    mayPresentDoubtful: () => lastAnswer > lastSilence || mayProbe(),
  }
}
