type Claims = Readonly<Record<string, unknown>>

/** The named claims, each from the first source that has it. */
export function pickClaims(names: readonly string[], sources: readonly Claims[]): Record<string, unknown> {
  const picked = names.flatMap((name) => {
    const source = sources.find((candidate) => Object.hasOwn(candidate, name))
    return source === undefined ? [] : [[name, source[name]] as const]
  })
  return Object.fromEntries(picked)
}
