import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createBff } from '../src/index.ts'
import { demoAccounts } from './accounts.ts'
import { startApi } from './api.ts'
import { buildSpa } from './build-spa.ts'
import { closeServer, listen } from './listen.ts'
import { createNarration } from './narration.ts'
import { startProvider } from './provider.ts'
import { createRegistration } from './registration.ts'
import { type AtEnd, runProgram } from './run-program.ts'

// `localhost` and `127.0.0.1` are different sites to a browser, so SameSite means here what it means in production.
const publicUrl = 'http://localhost:3000'
const accessTokenSeconds = 30

await runProgram(startDemo)

/** Starts provider, API and BFF, in the order in which they need each other, and says where they are. */
async function startDemo(atEnd: AtEnd): Promise<void> {
  const clientSecret = randomBytes(32).toString('base64url')
  const registration = createRegistration({ publicUrl, clientSecret })

  const provider = await startProvider({ port: 3001, clients: [registration], accessTokenSeconds })
  atEnd(provider.close)
  const api = await startApi({ port: 3002, issuer: provider.issuer })
  atEnd(api.close)

  await refuseStranger(3000)
  const options = {
    publicUrl,
    port: 3000,
    host: '127.0.0.1',
    issuer: provider.issuer,
    clientId: registration.client_id,
    clientSecret,
    scope: 'openid profile email offline_access',
    sessionSecret: randomBytes(32).toString('base64url'),
    store: 'memory' as const,
    routes: [{ path: '/api', upstream: api.url }],
    spa: await buildSpa(),
  }
  const bff = createBff(options, { log: createNarration() })
  atEnd(() => bff.close())
  await bff.listen()

  process.stdout.write(`
  Open  ${publicUrl}

  SPA and BFF         ${publicUrl}
  Identity provider   ${provider.issuer}
  API                 ${api.url}   (at ${publicUrl}/api for the browser)

  Users               ${demoAccounts.map(({ username, password }) => `${username} / ${password}`).join('   ')}
  Access tokens last ${accessTokenSeconds} seconds. Everything is kept in memory. Ctrl-C stops it all.

`)
}

/** A browser may try `::1` first for `localhost`, and would then meet whatever program has that port there. */
async function refuseStranger(port: number): Promise<void> {
  for (const host of ['127.0.0.1', '::1']) {
    const probe = createServer()
    try {
      await listen(probe, port, host)
    } catch (error) {
      // A machine without IPv6 has no such address.
      if (error instanceof Error && error.cause !== undefined) throw error
    }
    await closeServer(probe)
  }
}
