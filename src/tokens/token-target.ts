import type { Route } from '../options.ts'

/** What a route's access token is asked for: a target of its own, as opposed to the session's own access token. */
export interface TokenTarget {
  /** By a refresh of the session, in exchange for its own access token, or as the client, for nobody in particular. */
  readonly by: 'refresh' | 'exchange' | 'client'
  /** The same for all that ask for the same: they share one token. */
  readonly key: string
  /** Of the token request: `resource` (RFC 8707), `audience`, `scope`, as far as configured. */
  readonly parameters: Readonly<Record<string, string>>
}

/** @returns `null` for a route that goes with the session's own access token, or with none */
export function targetOf({ token, accessToken, exchange }: Route): TokenTarget | null {
  if (token === 'client') return createTarget('client', accessToken ?? {})
  if (exchange !== undefined) return createTarget('exchange', exchange)
  return accessToken === undefined ? null : createTarget('refresh', accessToken)
}

function createTarget(
  by: TokenTarget['by'],
  { resource, audience, scope }: NonNullable<Route['exchange']>,
): TokenTarget {
  const scopes = scope?.split(' ').filter((name) => name !== '')
  const named = { resource, audience, scope: scopes?.toSorted().join(' ') }
  const parameters = Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
  return { by, key: JSON.stringify(parameters), parameters }
}
