import { readFileSync, type Stats } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import { BffError } from '../errors.ts'
import type { ErrorAnswer } from '../http/error-answer.ts'
import { pathOf } from '../http/request-target.ts'
import type { SecurityHeaders } from '../http/security-headers.ts'
import { inlineParts } from './inline-parts.ts'

/** @param passOn for what is neither a file nor a page that a person navigates to @default 404 `no_route` */
export type Spa = (request: IncomingMessage, response: ServerResponse, passOn?: () => void) => void

type ServeFile = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

/** Serves a built SPA. An unknown path a person navigated to is answered with its document (history fallback). */
export function createSpa(directory: string, headers: SecurityHeaders, answer: ErrorAnswer): Spa {
  const policyOf = createPolicies(headers.documentPolicy)
  const serve = express.static(directory, {
    dotfiles: 'ignore',
    redirect: false,
    setHeaders(response: ServerResponse, path, stats) {
      headers.spa(response.req, response)
      // Asked again each time and mostly answered by 304: no name tells for sure that a file never changes.
      response.setHeader('Cache-Control', 'no-cache')
      if (path.endsWith('.html')) response.setHeader('Content-Security-Policy', policyOf(path, stats))
    },
  }) as ServeFile // of Express's own response it needs nothing that Node's has not

  return (request, response, passOn) => {
    const fail = (error?: unknown) => {
      const status = statusOf(error)
      // What `send` says of a Range or a precondition that does not hold is the answer, and no failure.
      if (status === 412 || status === 416) response.writeHead(status).end()
      else answer.problem(request, response, new BffError('no_route'))
    }
    serve(request, response, (error) => {
      if (error !== undefined) fail(error)
      else if (wantsDocument(request)) {
        request.url = '/index.html'
        serve(request, response, fail)
      } else if (passOn === undefined) fail()
      else passOn()
    })
  }
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
