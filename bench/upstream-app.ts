import { createServer, type IncomingMessage } from 'node:http'
import { WebSocketServer } from 'ws'
import { largeBytes, smallBody } from './upstream.ts'

// node bench/upstream-app.ts <port>: the upstream where nginx is not installed, or cannot do what is measured.

const large = Buffer.alloc(largeBytes, 'x')

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  request.resume()
  if (request.headers.authorization === undefined) {
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
  verifyClient: ({ req }: { req: IncomingMessage }) => req.headers.authorization !== undefined,
}).on('connection', (socket) => socket.send('open'))
