import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express } from 'express'
import { BffError } from '../errors.ts'
import type { ErrorAnswer } from '../http/error-answer.ts'
import type { SetHeaders } from '../http/security-headers.ts'

/** Build tools put a content hash into the names of assets: those never change. */
const hashedName = /[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/

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
      setHeaders(response, path) {
        response.setHeader('Cache-Control', hashedName.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
      },
    }),
  )
  app.use((request, response, next) => {
    if (!wantsDocument(request)) throw new BffError('no_route')
    response.setHeader('Cache-Control', 'no-cache')
    response.sendFile('index.html', { root: directory }, (error?: Error) => {
      if (error !== undefined) next(new BffError('no_route', { cause: error }))
    })
  })
  app.use((error: unknown, request: IncomingMessage, response: ServerResponse, _next: unknown) => {
    // express.static speaks of a bad path by an error with a status; to the browser there is simply nothing there.
    answer.problem(request, response, error instanceof BffError ? error : new BffError('no_route', { cause: error }))
  })
  return app
}

function wantsDocument({ method, headers, url = '' }: IncomingMessage): boolean {
  const path = url.split('?', 1)[0] ?? ''
  const lastSegment = path.slice(path.lastIndexOf('/') + 1)
  const reads = method === 'GET' || method === 'HEAD'
  return reads && (headers.accept ?? '').includes('text/html') && !lastSegment.includes('.')
}
