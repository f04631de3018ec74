import { join } from 'node:path'
import { cores } from '../machine.ts'
import { startProgram } from '../program.ts'
import type { PeerKind, Place } from './peer.ts'

const root = join(import.meta.dirname, '../..')

export const coatcheck = kind('coatcheck', ['src/main.ts', 'serve'])
export const coatcheckWorkers = kind('coatcheck, 2 workers', ['src/main.ts', 'serve'], { BFF_WORKERS: '2' })
export const coatcheckInExpress = kind('coatcheck as Express middleware', ['bench/peers/coatcheck-in-express.ts'])

function kind(name: string, [file = '', ...args]: readonly string[], more: Record<string, string> = {}): PeerKind {
  return {
    name,
    basePath: '/bff',
    passesWebSockets: true,
    isThere: () => true,
    start: (place) =>
      startProgram(process.execPath, [join(root, file), ...args], {
        core: cores.peer,
        env: { ...environment(place), ...more },
        port: place.port,
      }),
  }
}

/** Every safety check is on: nothing but what has no default is set. */
function environment(place: Place): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    NODE_ENV: 'production',
    BFF_PUBLIC_URL: place.origin,
    BFF_PORT: String(place.port),
    BFF_ISSUER: place.issuer,
    BFF_CLIENT_ID: place.clientId,
    BFF_CLIENT_SECRET: place.clientSecret,
    BFF_SESSION_SECRET: place.sessionSecret,
    BFF_REDIS_URL: `redis://127.0.0.1:${place.redisPort}`,
    BFF_REDIS_PREFIX: place.redisPrefix,
    // All sessions are made from one address.
    BFF_LOGINS_PER_MINUTE: '1000000',
    BFF_ROUTES: JSON.stringify([{ path: '/api', upstream: place.upstreamUrl, webSocket: true }]),
  }
}
