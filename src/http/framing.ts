import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Connections on which a request was framed in a way that can be read in two: nothing behind it is what it seems. */
const ambiguous = new WeakSet<Socket>()

/**
 * Whether whoever stands before us and whoever stands behind must have understood a request as we did. Node's parser
 * is strict, but lets pass what others read in another way (RFC 9112, sections 2.3, 3.2 and 6.1). Once it was not so,
 * it is not so for the rest of the connection.
 */
export function isPlainlyFramed(request: IncomingMessage): boolean {
  if (ambiguous.has(request.socket)) return false
  if (isPlain(request)) return true
  ambiguous.add(request.socket)
  return false
}

function isPlain({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return false
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts === 0) return httpVersion === '1.0'
  return hosts === 1 && /^[\w.:[\]-]+$/.test(headers.host ?? '')
}
