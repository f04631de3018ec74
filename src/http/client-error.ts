import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { BffError, type ProblemName } from '../errors.ts'
import { linger } from './linger.ts'
import { problemBody } from './problem.ts'
import { randomRequestId } from './request-id.ts'

/** What Node's codes mean. */
const problems = new Map<string | undefined, ProblemName>([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
])

/** Answers what Node's HTTP parser could make no request of, and closes the connection. */
export function answerClientError(error: Error & { code?: string }, socket: Duplex): void {
  // Node tells in no other way which response is under way.
  const current = (socket as { _httpMessage?: ServerResponse | null })._httpMessage
  // Of a request that came whole the answer is still owed, and ours would be taken for it.
  const owesAnother = current?.req.complete === true || current?.headersSent === true
  if (error.code === 'ECONNRESET' || !socket.writable || owesAnother) {
    socket.destroy()
    return
  }
  const problem = new BffError(problems.get(error.code) ?? 'bad_request')
  const body = problemBody(problem, randomRequestId())
  socket.write(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  linger(socket)
}
