import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { closeServer, listen } from '../../demo/listen.ts'

/** What the upstream says about a request. Of credentials it tells a hash, so that no test hands a token to a browser. */
export interface Echo {
  method: string
  url: string
  /** As they came, names and values in turn; the values of Authorization and Cookie are their SHA-256. */
  rawHeaders: string[]
  /** SHA-256 of the Authorization header's value, in hex. */
  authorizationSha256: string | null
  bodySha256: string
  bodyBytes: number
}

/** Answers a request itself and returns true, or leaves it to the echo. */
export type UpstreamHandler = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

export interface Upstream extends AsyncDisposable {
  port: number
  /** `http://127.0.0.1:<port>` */
  url: string
  /** How many requests have arrived. */
  readonly requests: number
  readonly openSockets: number
  /** Sees each request from now on, before the echo; the last one given alone. */
  onRequest(handler: UpstreamHandler): void
  close(): Promise<void>
}

/** Starts an API that answers every request with what arrived. */
export async function startUpstream(): Promise<Upstream> {
  let requests = 0
  let handler: UpstreamHandler = () => false
  const sockets = new Set<Socket>()
  const server = createServer(async (request, response) => {
    requests += 1
    try {
      if (!(await handler(request, response))) await echo(request, response)
    } catch {
      // The request or its handler broke off: so does the answer.
      response.destroy()
    }
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const port = await listen(server, 0, '127.0.0.1')
  const close = async (): Promise<void> => {
    const closed = closeServer(server)
    // An upgraded socket is no longer one of the server's connections.
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests
    },
    get openSockets() {
      return sockets.size
    },
    onRequest: (next) => {
      handler = next
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** SHA-256 in hex. */
export function sha256(value: string | Buffer): string {
  return createHash('sha256').update(value).digest('hex')
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256')
  let bodyBytes = 0
  for await (const chunk of request) {
    hash.update(chunk)
    bodyBytes += chunk.length
  }
  const { authorization } = request.headers
  const body: Echo = {
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: request.rawHeaders.map((item, index, all) => {
      const name = index % 2 === 1 ? all[index - 1] : undefined
      return name !== undefined && /^(proxy-)?authorization$|^cookie$/i.test(name) ? sha256(item) : item
    }),
    authorizationSha256: authorization === undefined ? null : sha256(authorization),
    bodySha256: hash.digest('hex'),
    bodyBytes,
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
