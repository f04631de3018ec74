import { readFileSync, type Stats } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express } from 'express'
import { BffError } from '../errors.ts'
import type { ErrorAnswer } from '../http/error-answer.ts'
import { pathOf } from '../http/request-target.ts'
import type { SecurityHeaders } from '../http/security-headers.ts'
import { inlineParts } from './inline-parts.ts'

/** Serves a built SPA. An unknown path a person navigated to is answered with its document (history fallback). */
export function createSpa(directory: string, headers: SecurityHeaders, answer: ErrorAnswer): Express {
  const app = express()
  const policyOf = createPolicies(headers.documentPolicy)
  const serve = express.static(directory, {
    dotfiles: 'ignore',
    redirect: false,
    setHeaders(response, path, stats) {
      // Asked again each time and mostly answered by 304: no name tells for sure that a file never changes.
      response.setHeader('Cache-Control', 'no-cache')
      if (path.endsWith('.html')) response.setHeader('Content-Security-Policy', policyOf(path, stats))
    },
  })
  app.disable('x-powered-by')
  app.use((request, response, next) => {
    headers.spa(request, response)
    next()
  })
  app.use(serve)
  app.use((request, response, next) => {
    if (!wantsDocument(request)) throw new BffError('no_route')
    request.url = '/index.html'
    serve(request, response, next)
  })
  app.use(() => {
    throw new BffError('no_route')
  })
  app.use((error: unknown, request: IncomingMessage, response: ServerResponse, _next: unknown) => {
    const status = statusOf(error)
    // What `send` says of a Range or a precondition that does not hold is the answer, and no failure.
    if (status === 412 || status === 416) response.writeHead(status).end()
    else answer.problem(request, response, error instanceof BffError ? error : new BffError('no_route'))
  })
  return app
}

/** The content security policy of each document, worked out anew when the document has been replaced. */
function createPolicies(policyFor: SecurityHeaders['documentPolicy']) {
  const known = new Map<string, { version: string; policy: string }>()
  return (path: string, { mtimeMs, size }: Stats): string => {
    const version = `${mtimeMs} ${size}`
    const last = known.get(path)
    if (last?.version === version) return last.policy
    const policy = policyFor(inlineParts(readFileSync(path, 'utf8')))
    known.set(path, { version, policy })
    return policy
  }
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
