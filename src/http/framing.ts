import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ProblemName } from '../errors.ts'
import { closeBehind } from './linger.ts'

/** Connections on which nothing more is what it seems. */
const ambiguous = new WeakSet<Socket>()

/** From so many on some versions of Node leave headers out, silently. */
const mostHeaders = 1_000

/**
 * Why whoever stands before us or whoever stands behind may have understood a request in another way than we did; `null`
 * if nobody can. Node's parser is strict, but lets pass what others read in another way (RFC 9112, sections 2.3, 3.2 and
 * 6.1). Once somebody can, the rest of the connection is refused, and ends behind the response.
 */
export function framingProblem(request: IncomingMessage, response: ServerResponse): ProblemName | null {
  const problem = problemOf(request)
  // Of an upgrade that is not made Node throws away what lay behind it in the same packet: what follows begins anywhere.
  if (problem !== null || request.headers.upgrade !== undefined) {
    ambiguous.add(request.socket)
    closeBehind(response)
  }
  return problem
}

function problemOf(request: IncomingMessage): ProblemName | null {
  if (ambiguous.has(request.socket)) return 'bad_request'
  if (request.rawHeaders.length >= 2 * mostHeaders) return 'headers_too_large'
  return isPlain(request) ? null : 'bad_request'
}

function isPlain({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false
  const coding = headers['transfer-encoding']
  // In 1.0 there is none, and who goes by that takes the chunks for the next request.
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) return false
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts === 0) return httpVersion === '1.0'
  return hosts === 1 && /^[\w.:[\]-]+$/.test(headers.host ?? '')
}

/** Whether a body comes with a request (RFC 9112, section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0
}
