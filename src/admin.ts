import { createServer, type Server } from 'node:http'
import { createAdminSessions } from './admin-sessions.ts'
import type { OperatorSessions } from './session/operator-sessions.ts'
import type { Store } from './storage/store.ts'

/**
 * The operator's port: `/livez` tells that the process runs, `/readyz` that it can serve, with what the store warns of.
 * The provider is not among what readiness asks for: existing sessions go on without it.
 * @param secret for `/sessions`, which is not there without one
 */
export function createAdminServer(
  store: Pick<Store, 'ready' | 'warnings'>,
  sessions: OperatorSessions,
  secret: string | undefined,
): Server {
  const answerForSessions = secret === undefined ? null : createAdminSessions(sessions, secret)
  return createServer(async (request, response) => {
    response.setHeader('cache-control', 'no-store')
    if (answerForSessions !== null && request.url?.split('?')[0] === '/sessions') {
      return answerForSessions(request, response)
    }
    const { status, body } = await answerTo(request.url, store)
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
  })
}

async function answerTo(url: string | undefined, store: Pick<Store, 'ready' | 'warnings'>) {
  if (url === '/livez') return { status: 200, body: { live: true } }
  if (url !== '/readyz') return { status: 404, body: { error: 'not found' } }
  const ready = await store.ready().then(
    () => true,
    () => false,
  )
  const warnings = await store.warnings().catch(() => [])
  return { status: ready ? 200 : 503, body: { ready, warnings } }
}
