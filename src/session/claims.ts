import { factsIn } from './session-record.ts'

type Claims = Readonly<Record<string, unknown>>

/** The named claims, each from the first source that has it. */
export function pickClaims(names: readonly string[], sources: readonly Claims[]): Record<string, unknown> {
  const picked = names.flatMap((name) => {
    const source = sources.find((candidate) => Object.hasOwn(candidate, name))
    return source === undefined ? [] : [[name, source[name]] as const]
  })
  return Object.fromEntries(picked)
}

/**
 * How a session record changes with a refreshed ID token: the configured claims that the token has replace those that
 * stand there. The others stay: they may have come from userinfo, and a provider may say less at a refresh. So does what
 * a newer release has added.
 * @returns the text of the new record; `null` when the old one is not as this version writes it
 */
export function refreshedRecord(names: readonly string[]) {
  return (text: string, idToken: Claims): string | null => {
    if (factsIn(text) === null) return null
    const record = JSON.parse(text) // as `factsIn` has found it
    const claims = { ...record.facts.claims, ...pickClaims(names, [idToken]) }
    return JSON.stringify({ ...record, facts: { ...record.facts, claims } })
  }
}
