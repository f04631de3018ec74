import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BffError } from '../errors.ts'
import type { ProblemBody } from '../wire.ts'
import { requestId } from './request-id.ts'

/** Answers with problem details (RFC 9457). Never touches a cookie, never tells what went wrong inside. */
export function sendProblem(request: IncomingMessage, response: ServerResponse, error: BffError): void {
  const body: ProblemBody = {
    type: 'about:blank',
    title: error.message,
    status: error.status,
    code: error.code,
    requestId: requestId(request),
  }
  send(response, error, 'application/problem+json', JSON.stringify(body))
}

/** Sends an error answer of any type; what cannot be stored is marked so. */
export function send(response: ServerResponse, error: BffError, contentType: string, body: string): void {
  response.statusCode = error.status
  response.setHeader('Content-Type', contentType)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (error.retryAfterSeconds !== undefined) response.setHeader('Retry-After', error.retryAfterSeconds)
  response.end(body)
}
