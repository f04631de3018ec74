/** What the API tells about the access token that it was given: never the token. */
export interface TokenNote {
  fingerprint: string
  expiresIn: number
}

/** What this page has learned about tokens it cannot see. */
export interface Coat {
  note(token: TokenNote): void
  forget(): void
  /** How often a new token was seen in the place of another. */
  refreshes(): number
  /** The newest token, if there was one. */
  hook(): string | undefined
  secondsLeft(): number | undefined
  /** The longest life seen, which is about what a fresh token has. */
  lifeSeconds(): number
}

/**
 * Counts tokens by their fingerprints. Answers may overtake each other: the newest token is the one that lasts
 * longest.
 */
export function createCoat(): Coat {
  const seen = new Set<string>()
  let hook: string | undefined
  let expiresAt = 0
  let lifeSeconds = 1

  return {
    note({ fingerprint, expiresIn }) {
      lifeSeconds = Math.max(lifeSeconds, expiresIn)
      const isNew = !seen.has(fingerprint)
      const lastsUntil = Date.now() + expiresIn * 1000
      seen.add(fingerprint)
      if (fingerprint !== hook && !(isNew && lastsUntil >= expiresAt)) return
      hook = fingerprint
      expiresAt = lastsUntil
    },
    forget() {
      seen.clear()
      hook = undefined
      expiresAt = 0
    },
    refreshes: () => Math.max(0, seen.size - 1),
    hook: () => hook,
    secondsLeft: () => (hook === undefined ? undefined : Math.max(0, Math.round((expiresAt - Date.now()) / 1000))),
    lifeSeconds: () => lifeSeconds,
  }
}
