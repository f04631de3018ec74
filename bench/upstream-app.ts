import { createServer } from 'node:http'
import { largeBytes, smallBody } from './upstream.ts'

// node bench/upstream-app.ts <port>: the upstream where nginx is not installed.

const large = Buffer.alloc(largeBytes, 'x')

createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  request.resume()
  if (request.headers.authorization === undefined) {
    response.writeHead(401).end()
    return
  }
  const body = request.url === '/large' ? large : smallBody
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
