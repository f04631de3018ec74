import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { BffError } from '../errors.ts'
import { problemBody } from './problem.ts'
import { randomRequestId } from './request-id.ts'

/** Answers what Node's HTTP parser could make no request of, and closes the connection. */
export function answerClientError(error: Error & { code?: string }, socket: Duplex): void {
  // Reset by its client, or in the middle of an answer already: nobody would understand.
  if (error.code === 'ECONNRESET' || !socket.writable || ('bytesWritten' in socket && socket.bytesWritten !== 0)) {
    socket.destroy()
    return
  }
  const problem = new BffError(error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'bad_request')
  const body = problemBody(problem, randomRequestId())
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
