import { randomBytes } from 'node:crypto'
import type { ClientMetadata } from 'oidc-provider'
import { createRegistration } from '../../demo/registration.ts'
import { freePort } from '../../test/support/free-port.ts'
import type { Machine } from '../machine.ts'
import type { Program } from '../program.ts'

/** Something that does the job, or a part of it, and is measured. */
export interface PeerKind {
  /** As the tables have it. */
  name: string
  /** Where its login is; `null` for one that knows no sessions. */
  basePath: string | null
  /** Whether it passes WebSockets on, with a token. */
  passesWebSockets: boolean
  /** Whether the machine has what it needs. */
  isThere(machine: Machine): boolean
  /** Starts it on its core, in front of the upstream's `/` as `/api`. */
  start(place: Place): Promise<Program>
}

/** Where a peer stands, and what stands around it. */
export interface Place extends Site {
  machine: Machine
  issuer: string
  redisPort: number
  upstreamUrl: string
  /** A folder of its own, which exists. */
  folder: string
}

/** What is known of a peer before anything is started: the provider has to know it first. */
export interface Site {
  port: number
  /** What its browsers see. */
  origin: string
  clientId: string
  clientSecret: string
  /** Signs its cookies, and seals what it seals. */
  sessionSecret: string
  /** First part of its keys in Redis. */
  redisPrefix: string
}

export async function createSite(index: number): Promise<Site> {
  const port = await freePort()
  const secret = () => randomBytes(32).toString('base64url')
  return {
    port,
    origin: `http://localhost:${port}`,
    clientId: `peer-${index}`,
    clientSecret: secret(),
    sessionSecret: secret(),
    redisPrefix: `peer-${index}`,
  }
}

export function registrationOf({ origin, clientId, clientSecret }: Site, { basePath }: PeerKind): ClientMetadata {
  return createRegistration({ publicUrl: origin, clientId, clientSecret, ...(basePath === null ? {} : { basePath }) })
}
