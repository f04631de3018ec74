import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordingDirectory } from './recording-directory.ts'

/** What no browser and no log may ever hold. */
export const secretKinds = [
  'access_token',
  'refresh_token',
  'id_token',
  'code_verifier',
  'client_secret',
  'session_secret',
] as const

export type SecretKind = (typeof secretKinds)[number]

/** Shorter ones would be found by chance. */
const shortestSecret = 16

/** Remembers a secret of the running test for the search after the run. */
export function recordSecret(kind: SecretKind, value: string): void {
  if (value.length < shortestSecret) throw new Error(`a ${kind} of ${value.length} characters cannot be searched for`)
  append('secrets', [kind, value])
}

/** Remembers the provider's end_session_endpoint: a redirect to it may carry an ID token as `id_token_hint`. */
export function recordEndSessionEndpoint(url: string): void {
  append('facts', ['end_session_endpoint', url])
}

function append(name: 'secrets' | 'facts', entry: readonly [string, string]): void {
  appendFileSync(join(recordingDirectory(), `${name}-${process.pid}.txt`), `${JSON.stringify(entry)}\n`)
}
