import type { IncomingMessage, ServerResponse } from 'node:http'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import { errorPage } from '../pages/error-page.ts'
import type { Say } from '../telemetry/events.ts'
import { paths } from '../wire.ts'
import { send, sendProblem } from './problem.ts'
import { requestId } from './request-id.ts'
import type { SetHeaders } from './security-headers.ts'

/** How an error that stopped a request is answered, and said. */
export interface ErrorAnswer {
  /** Problem details, for whatever a script asked. */
  problem(request: IncomingMessage, response: ServerResponse, error: unknown): void
  /**
   * The error page for a person who navigated here; problem details for anything else.
   * @param startUrl as the page's
   */
  page(request: IncomingMessage, response: ServerResponse, error: unknown, startUrl: string): void
}

/** @param setHeaders sets the security headers of an error answer */
export function createErrorAnswer(say: Say, { publicUrl, basePath }: Options, setHeaders: SetHeaders): ErrorAnswer {
  const usedLoginUrl = basePath + paths.usedCallback

  /** The error as it may be shown; `null` when the answer is beyond saving. */
  function settle(request: IncomingMessage, response: ServerResponse, error: unknown): BffError | null {
    const known = error instanceof BffError ? error : new BffError('internal', { cause: error })
    if (known.problem === 'internal') say('request_broke', { requestId: requestId(request) }, known)
    else if (known.status >= 500 || known.cause !== undefined) {
      say('request_failed', { requestId: requestId(request), code: known.code }, known)
    }
    if (response.headersSent) {
      response.destroy() // what was sent is incomplete, and must look so
      return null
    }
    setHeaders(request, response)
    return known
  }

  return {
    problem(request, response, error) {
      const known = settle(request, response, error)
      if (known !== null) sendProblem(request, response, known)
    },
    page(request, response, error, startUrl) {
      const known = settle(request, response, error)
      if (known === null) return
      if (!(request.headers.accept ?? '').includes('text/html')) sendProblem(request, response, known)
      else {
        const html = errorPage(known, requestId(request), { publicUrl, startUrl, usedLoginUrl })
        send(response, known, 'text/html; charset=utf-8', html)
      }
    },
  }
}
