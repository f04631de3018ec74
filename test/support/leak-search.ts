import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodedViews } from './decoded-views.ts'
import { headerValues, parseResponses, type RecordedResponse } from './recorded-responses.ts'
import { createSecretFinder } from './secret-finder.ts'
import { secretKinds } from './secrets.ts'

export interface LeakSearch {
  /** One sentence for every leak; the secret itself is not in it. */
  leaks: string[]
  connections: number
  connectionBytes: number
  logBytes: number
  /** How many different secrets of each kind were looked for. */
  secrets: ReadonlyMap<string, number>
}

/** Looks in all that browsers received and the log took down for any secret that the tests recorded. */
export function searchForLeaks(directory: string): LeakSearch {
  const names = readdirSync(directory).toSorted()
  const read = (pattern: RegExp) =>
    names.filter((name) => pattern.test(name)).map((name) => ({ name, bytes: readFileSync(join(directory, name)) }))
  const entries = (pattern: RegExp) => read(pattern).flatMap(({ bytes }) => parseEntries(bytes))

  // Keyed by the value: the same secret is recorded by every test that meets it.
  const secrets = new Map(entries(/^secrets-/).map(([kind, value]) => [value, kind]))
  const facts: Facts = {
    isIdToken: (value) => secrets.get(value) === 'id_token',
    endSessionEndpoints: new Set(entries(/^facts-/).map(([, url]) => url)),
  }
  const find = createSecretFinder(secrets)
  const leaks: string[] = []
  const look = (bytes: Buffer, where: string): void => {
    for (const view of decodedViews(bytes)) {
      const found = new Set<string>()
      find(view.bytes, found)
      for (const kind of found) leaks.push(`${kind} in ${where} (${view.name})`)
    }
  }

  const connections = read(/^connection-/)
  for (const { name, bytes } of connections) {
    for (const response of parseResponses(bytes)) {
      const where = `${name}: ${response.head.split('\r\n')[0] || 'bytes that are no response'}`
      look(Buffer.from(withoutAllowedHint(response, facts), 'latin1'), `the headers of ${where}`)
      look(response.body, `the body of ${where}`)
      if (response.content !== undefined) look(response.content, `the decoded body of ${where}`)
    }
  }
  const logs = read(/^log-/)
  for (const { name, bytes } of logs) look(bytes, name)

  return {
    leaks,
    connections: connections.length,
    connectionBytes: sizeOf(connections),
    logBytes: sizeOf(logs),
    secrets: new Map(secretKinds.map((kind) => [kind, [...secrets.values()].filter((one) => one === kind).length])),
  }
}

/** What a run of all tests must have recorded for its search to mean anything; one sentence for each thing that lacks. */
export function whatWasNotRecorded(search: LeakSearch): string[] {
  const missing: string[] = []
  if (search.connectionBytes === 0) missing.push('nothing that a browser received was recorded')
  if (search.logBytes === 0) missing.push('no log was recorded')
  for (const [kind, count] of search.secrets) if (count === 0) missing.push(`no ${kind} was recorded`)
  return missing
}

interface Facts {
  isIdToken(value: string): boolean
  endSessionEndpoints: ReadonlySet<string>
}

/**
 * The one exception (OpenID Connect RP-Initiated Logout 1.0, section 2): a 302 whose only `Location` is the provider's
 * end_session_endpoint may carry one ID token as its only `id_token_hint`. The head without that value.
 */
function withoutAllowedHint(response: RecordedResponse, facts: Facts): string {
  const locations = headerValues(response.head, 'location')
  const [location] = locations
  if (response.status !== 302 || location === undefined || locations.length > 1) return response.head
  if (!URL.canParse(location)) return response.head
  const url = new URL(location)
  const [hint, ...others] = url.searchParams.getAll('id_token_hint')
  if (hint === undefined || others.length > 0 || !facts.isIdToken(hint)) return response.head
  if (!facts.endSessionEndpoints.has(url.origin + url.pathname)) return response.head
  const allowed = location.replace(`id_token_hint=${hint}`, 'id_token_hint=')
  return response.head.replace(location, allowed)
}

function parseEntries(bytes: Buffer): [string, string][] {
  const lines = bytes.toString().split('\n').filter(Boolean)
  // Written by secrets.ts alone, one array of two strings a line.
  return lines.map((line) => JSON.parse(line) as [string, string])
}

function sizeOf(files: readonly { bytes: Buffer }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
