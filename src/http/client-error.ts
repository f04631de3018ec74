import { IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { BffError, type ProblemName } from '../errors.ts'
import { closeBehind, linger } from './linger.ts'
import { problemBody } from './problem.ts'
import { randomRequestId } from './request-id.ts'
import type { SetHeaders } from './security-headers.ts'
import { lastOwed, responseUnderWay } from './turns.ts'

/** What Node's codes mean. */
const problems = new Map<string | undefined, ProblemName>([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
])

/** Answers what Node's HTTP parser could make no request of, and closes the connection. */
export type AnswerClientError = (error: Error & { code?: string }, socket: Duplex) => void

/** @param setHeaders sets the security headers of an error answer */
export function createClientErrorAnswer(setHeaders: SetHeaders): AnswerClientError {
  // There is no request whose answer could be given them.
  const never = new ServerResponse(new IncomingMessage(new Socket()))
  setHeaders(never.req, never)
  const security = Object.entries(never.getHeaders()).map(([name, value]) => `${name}: ${String(value)}\r\n`)
  return (error, socket) => answerClientError(error, socket, security.join(''))
}

function answerClientError(error: Error & { code?: string }, socket: Duplex, security: string): void {
  const owed = lastOwed(socket)
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  // Of a request that came whole the answer is still owed, and ours would be taken for it.
  else if (owed?.req.complete && !socket.readableEnded) endBehind(owed, socket)
  else if (owed === null || isUnanswered(owed, socket)) refuse(error, socket, security)
  else socket.destroy()
}

/** Connections that end behind an answer which is owed; Node tells of everything that still comes there. */
const ending = new WeakSet<Duplex>()

function endBehind(owed: ServerResponse, socket: Duplex): void {
  if (ending.has(socket)) return
  ending.add(socket)
  closeBehind(owed)
  // It may have said already that the connection is kept.
  if (owed.headersSent) owed.once('finish', () => linger(socket))
}

/** Whether an answer of ours would be taken for the one to a request that will never come whole. */
function isUnanswered(owed: ServerResponse, socket: Duplex): boolean {
  return !owed.req.complete && !owed.headersSent && owed === responseUnderWay(socket)
}

function refuse(error: Error & { code?: string }, socket: Duplex, security: string): void {
  const problem = new BffError(problems.get(error.code) ?? 'bad_request')
  const body = problemBody(problem, randomRequestId())
  socket.write(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${security}Connection: close\r\nCache-Control: no-store\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  linger(socket)
}
