import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ApiCaller, createTokenCheck, type Refusal } from './api-token.ts'
import { closeServer, listen } from './listen.ts'
import { listOrders } from './orders.ts'
import { runProgram } from './run-program.ts'

/** How the demo's API behaves. */
export interface ApiOptions {
  /** Whose tokens it accepts. */
  issuer: string
  /** The `aud` its tokens must have. @default 'https://api.coatcheck.example' */
  audience?: string
  /** 0 lets the system choose. @default 0 */
  port?: number
  /** @default '127.0.0.1' */
  host?: string
}

/** A running API. */
export interface Api {
  /** Base URL, without a slash at its end. */
  url: string
  port: number
  close(): Promise<void>
}

const requiredScope = 'api:read'
const challenge = 'Bearer realm="coatcheck demo API"'

/**
 * Starts a resource server. Each request needs a valid access token of the issuer with scope `api:read`:
 * - `GET /orders`: the caller's orders;
 * - `/echo`, any method: the request as it arrived, with a SHA-256 in the place of the Authorization header;
 * - `GET /events`: an event stream with a tick a second;
 * - `GET /livez`: whether the process lives, for everyone.
 *
 * An answer's `token` member tells tokens apart by a short hash and says how many seconds are left. It holds no token.
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { issuer, audience = 'https://api.coatcheck.example', port = 0, host = '127.0.0.1' } = options
  const checkToken = createTokenCheck(issuer, audience)

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? ''
    if (path === '/livez') return sendJson(response, 200, { status: 'ok' })

    const caller = await checkToken(request.headers.authorization)
    if (typeof caller === 'string') return refuse(response, caller)
    if (!caller.scope.has(requiredScope)) {
      response.setHeader('www-authenticate', `${challenge}, error="insufficient_scope", scope="${requiredScope}"`)
      return sendJson(response, 403, { error: 'insufficient_scope' })
    }

    if (path === '/echo') return sendJson(response, 200, await describeRequest(request, caller))
    if (path !== '/orders' && path !== '/events') return sendJson(response, 404, { error: 'not_found' })
    if (request.method !== 'GET') {
      response.setHeader('allow', 'GET')
      return sendJson(response, 405, { error: 'method_not_allowed' })
    }
    if (path === '/events') return sendEvents(response, caller)
    sendJson(response, 200, { orders: listOrders(caller.sub), token: describeToken(caller) })
  }

  const listeningPort = await listen(server, port, host)
  return {
    url: `http://${host}:${listeningPort}`,
    port: listeningPort,
    close: () => closeServer(server),
  }
}

/** RFC 6750 section 3: no error code when no token was sent. */
function refuse(response: ServerResponse, refusal: Refusal): void {
  if (refusal === 'provider_unreachable') {
    response.setHeader('retry-after', '1')
    sendJson(response, 503, { error: refusal })
    return
  }
  response.setHeader('www-authenticate', refusal === 'missing' ? challenge : `${challenge}, error="invalid_token"`)
  sendJson(response, 401, { error: refusal === 'missing' ? 'no_token' : 'invalid_token' })
}

async function describeRequest(request: IncomingMessage, caller: ApiCaller): Promise<object> {
  const { authorization = '', ...headers } = request.headers
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return {
    method: request.method,
    url: request.url,
    headers,
    authorizationSha256: createHash('sha256').update(authorization).digest('hex'),
    body: Buffer.concat(chunks).toString(),
    token: describeToken(caller),
  }
}

function sendEvents(response: ServerResponse, caller: ApiCaller): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  // Node keeps the headers back until there is a body, and a reader would not know that it is connected.
  response.flushHeaders()
  let tick = 0
  const timer = setInterval(() => {
    tick += 1
    response.write(`id: ${tick}\nevent: tick\ndata: ${JSON.stringify({ tick, token: describeToken(caller) })}\n\n`)
  }, 1000)
  response.on('close', () => clearInterval(timer))
}

function describeToken({ fingerprint, expiresAt }: ApiCaller): { fingerprint: string; expiresIn: number } {
  return { fingerprint, expiresIn: Math.max(0, Math.floor(expiresAt - Date.now() / 1000)) }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

if (import.meta.main) {
  await runProgram(async (atEnd) => {
    const { PORT, HOST, ISSUER, AUDIENCE } = process.env
    if (!PORT || !ISSUER) throw new Error('PORT and ISSUER have to be set.')
    const api = await startApi({
      port: Number(PORT),
      issuer: ISSUER,
      ...(HOST ? { host: HOST } : {}),
      ...(AUDIENCE ? { audience: AUDIENCE } : {}),
    })
    atEnd(api.close)
    process.stdout.write(`API ready: ${api.url}\n`)
  })
}
