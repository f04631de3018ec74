import { createServer, type IncomingMessage } from 'node:http'
import { WebSocketServer } from 'ws'
import { largeBytes, smallBody } from './upstream.ts'

// node bench/upstream-app.ts <port>: the upstream where nginx is not installed, or cannot do what is measured.

const large = Buffer.alloc(largeBytes, 'x')

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  request.resume()
  if (!isGood(request.headers.authorization)) {
    response.writeHead(401).end()
    return
  }
  if (request.url === '/events') {
    // The second header is for nginx, which would keep the event to itself until it has a buffer full of them.
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }).write('data: open\n\n')
    return
  }
  const body = request.url === '/large' ? large : smallBody
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}).listen(Number(process.argv[2]), '127.0.0.1', 4096)

new WebSocketServer({
  server,
  path: '/socket',
  perMessageDeflate: false,
  verifyClient: ({ req }: { req: IncomingMessage }) => isGood(req.headers.authorization),
}).on('connection', (socket) => socket.send('open'))

/** A token that is no JWT is none of the provider's: the one nginx has made up does not expire. */
function isGood(authorization: string | undefined): boolean {
  if (authorization === undefined) return false
  const [, payload] = authorization.split('.')
  return payload === undefined || JSON.parse(Buffer.from(payload, 'base64url').toString()).exp * 1000 > Date.now()
}
