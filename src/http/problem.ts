import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BffError } from '../errors.ts'
import type { ProblemBody } from '../wire.ts'
import { hasBody } from './framing.ts'
import { closeBehind } from './linger.ts'
import { requestId } from './request-id.ts'

/** Problem details (RFC 9457) as they are sent: never what went wrong inside. */
export function problemBody(error: BffError, requestId: string): string {
  const { status, code, message: title, loginUrl } = error
  const body: ProblemBody = { type: 'about:blank', title, status, code, requestId, ...(loginUrl && { loginUrl }) }
  return JSON.stringify(body)
}

/** Answers with problem details. Touches no cookie. */
export function sendProblem(request: IncomingMessage, response: ServerResponse, error: BffError): void {
  // What is left of a request that was answered early would be taken for the next one. Node says that a request is complete
  // only once it has been handed over, so that one without a body may not be so yet.
  if (!request.complete && hasBody(request)) closeBehind(response)
  send(response, error, 'application/problem+json', problemBody(error, requestId(request)))
}

/** Sends an error answer of any type; what cannot be stored is marked so. */
export function send(response: ServerResponse, error: BffError, contentType: string, body: string): void {
  response.statusCode = error.status
  response.setHeader('Content-Type', contentType)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  if (error.retryAfterSeconds !== undefined) response.setHeader('Retry-After', error.retryAfterSeconds)
  if (error.allow !== undefined) response.setHeader('Allow', error.allow.join(', '))
  response.end(body)
}
