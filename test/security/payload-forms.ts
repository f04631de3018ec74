/** Every form of every payload, by family. */
export function formsByFamily(families: Readonly<Record<string, readonly string[]>>): [string, string[]][] {
  return Object.entries(families).map(([family, payloads]) => [family, [...new Set(payloads.flatMap(formsOf))]])
}

/** A payload as it is, percent-decoded once, and decoded twice. */
function formsOf(payload: string): string[] {
  const once = decode(payload)
  return [...new Set([payload, once, decode(once)])]
}

/** What cannot be decoded stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
