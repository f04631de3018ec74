import { join } from 'node:path'
import { cores } from '../machine.ts'
import { startProgram } from '../program.ts'
import type { PeerKind } from './peer.ts'

/** What teams put together today, from the packages that they find first. */
export const usualStack: PeerKind = {
  name: 'the usual Express stack',
  basePath: '/auth',
  // Its middleware does not run for handshakes: nobody would look at the session, or put a token on.
  passesWebSockets: false,
  isThere: () => true,
  start(place) {
    const { machine: _, folder: __, ...settings } = place
    return startProgram(process.execPath, [join(import.meta.dirname, 'usual-stack-app.ts'), JSON.stringify(settings)], {
      core: cores.peer,
      env: { PATH: process.env['PATH'], NODE_ENV: 'production' },
      port: place.port,
    })
  },
}
