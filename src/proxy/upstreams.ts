import { readFileSync } from 'node:fs'
import { Pool } from 'undici'
import type { Timing } from '../timing.ts'
import type { Target } from './target.ts'

/** A connection is given up after so long, so that a change of address in DNS is followed. Milliseconds. */
const connectionLifeMs = 300_000

/** Connections to one route's upstream, kept apart from every other route's: a slow one holds up nobody else. */
export function createUpstream({ route, origin }: Target, timing: Timing): Pool {
  const { connect, firstByte, idle } = route.timeouts
  const { ca, cert, key } = route.tls ?? {}
  return new Pool(origin, {
    connect: {
      timeout: milliseconds(connect) ?? timing.connect,
      ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
      ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
      ...(key === undefined ? {} : { key: readFileSync(key) }),
    },
    headersTimeout: milliseconds(firstByte) ?? timing.firstByte,
    bodyTimeout: milliseconds(idle) ?? timing.idleBody,
    clientTtl: connectionLifeMs,
    // undici takes an HTTP/2 body that was cut off for a complete one.
    allowH2: false,
  })
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000
}
