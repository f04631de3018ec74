import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express } from 'express'
import { BffError } from '../errors.ts'
import type { ErrorAnswer } from '../http/error-answer.ts'
import { pathOf } from '../http/request-target.ts'
import type { SetHeaders } from '../http/security-headers.ts'

/** Serves a built SPA. An unknown path a person navigated to is answered with its document (history fallback). */
export function createSpa(directory: string, setHeaders: SetHeaders, answer: ErrorAnswer): Express {
  const app = express()
  app.disable('x-powered-by')
  app.use((request, response, next) => {
    setHeaders(request, response)
    next()
  })
  app.use(
    express.static(directory, {
      dotfiles: 'ignore',
      redirect: false,
      // Asked again each time and mostly answered by 304: no name tells for sure that a file never changes.
      setHeaders: (response) => void response.setHeader('Cache-Control', 'no-cache'),
    }),
  )
  app.use((request, response, next) => {
    if (!wantsDocument(request)) throw new BffError('no_route')
    response.setHeader('Cache-Control', 'no-cache')
    response.sendFile('index.html', { root: directory }, (error?: Error) => {
      if (error !== undefined) next(error)
    })
  })
  app.use((error: unknown, request: IncomingMessage, response: ServerResponse, _next: unknown) => {
    const status = statusOf(error)
    // What `send` says of a Range or a precondition that does not hold is the answer, and no failure.
    if (status === 412 || status === 416) response.writeHead(status).end()
    else answer.problem(request, response, error instanceof BffError ? error : new BffError('no_route'))
  })
  return app
}

function wantsDocument(request: IncomingMessage): boolean {
  const { method, headers } = request
  const path = pathOf(request)
  const lastSegment = path.slice(path.lastIndexOf('/') + 1)
  const reads = method === 'GET' || method === 'HEAD'
  return reads && (headers.accept ?? '').includes('text/html') && !lastSegment.includes('.')
}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'status' in error ? error.status : undefined
}
