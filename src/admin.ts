import { createServer, type Server } from 'node:http'

/**
 * The operator's port: `/livez` tells that the process runs, `/readyz` that it can serve. The provider is not among
 * what readiness asks for: existing sessions go on without it.
 * @param ready rejects unless requests can be served now
 */
export function createAdminServer(ready: () => Promise<void>): Server {
  return createServer(async (request, response) => {
    const status = await statusOf(request.url, ready)
    response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end(`${texts[status]}\n`)
  })
}

const texts = { 200: 'ok', 404: 'not found', 503: 'not ready' } as const

async function statusOf(url: string | undefined, ready: () => Promise<void>): Promise<keyof typeof texts> {
  if (url === '/livez') return 200
  if (url !== '/readyz') return 404
  return ready().then(
    () => 200,
    () => 503,
  )
}
