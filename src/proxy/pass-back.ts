import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, errors } from 'undici'
import { BffError } from '../errors.ts'
import { responseHeaders } from './headers.ts'

/** What to do about an upstream that refuses the access token. */
export interface Refusal {
  ask: () => Promise<string[] | null>
  /** Sends the request once more; `null` when it cannot be sent twice. */
  again: ((headers: string[]) => void) | null
}

/** Passes an upstream's response on as it comes, at the pace of the client. */
export function createPassBack(
  request: IncomingMessage,
  response: ServerResponse,
  ends: { resolve: () => void; reject: (error: BffError) => void; brokeOff: (error: Error) => void },
  refusal: Refusal | null,
): Dispatcher.DispatchHandler {
  let upstream: Dispatcher.DispatchController | undefined
  // Set when this response goes nowhere: what to do when it is over.
  let instead: (() => void) | undefined
  const left = () => {
    if (!response.writableFinished) upstream?.abort(new Error('the client has left'))
  }

  function passHead(status: number, headers: IncomingHttpHeaders) {
    // What is left of a request that was answered early would be taken for the next one.
    if (!request.complete) response.shouldKeepAlive = false
    response.writeHead(status, responseHeaders(headers))
    // These have no body whatever their headers say; waiting for one would only find fault with it.
    if (request.method === 'HEAD' || status === 204 || status === 304) response.end()
  }

  async function tryOtherwise(
    { ask, again }: { ask: Refusal['ask']; again: NonNullable<Refusal['again']> },
    pass: () => void,
  ) {
    try {
      const fresh = await ask()
      if (fresh === null) pass()
      else instead = () => again(fresh)
    } catch (error) {
      instead = () => ends.reject(error instanceof BffError ? error : new BffError('internal', { cause: error }))
    }
  }

  function finish(after: () => void) {
    response.off('close', left)
    after()
  }

  return {
    onRequestStart(controller) {
      upstream = controller
      if (response.destroyed) left()
      else response.once('close', left)
    },
    onResponseStart(controller, status, headers) {
      if (status < 200) return
      if (status !== 401 || refusal === null || !saysInvalidToken(headers)) return passHead(status, headers)
      const { ask, again } = refusal
      if (again === null) {
        ask().catch(() => undefined) // so that the next request has a better one; this one's refusal stands
        return passHead(status, headers)
      }
      controller.pause()
      void tryOtherwise({ ask, again }, () => passHead(status, headers)).then(() => controller.resume())
    },
    onResponseData(controller, chunk) {
      if (instead !== undefined || response.writableEnded || response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      if (instead !== undefined) return finish(instead)
      response.end()
      finish(ends.resolve)
    },
    onResponseError(_controller, error) {
      if (instead !== undefined && !response.destroyed) return finish(instead)
      if (!response.headersSent && !response.destroyed) return finish(() => ends.reject(problemOf(error)))
      // Half a response must look like half a response.
      if (!response.writableEnded && !response.destroyed) {
        ends.brokeOff(error)
        response.destroy()
      }
      finish(ends.resolve)
    },
  }
}

/** RFC 6750, section 3.1. */
function saysInvalidToken(headers: IncomingHttpHeaders): boolean {
  return /(^|,)\s*bearer\b.*\berror\s*=\s*"?invalid_token\b/i.test(String(headers['www-authenticate'] ?? ''))
}

function problemOf(error: Error): BffError {
  const late =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  return new BffError(late ? 'upstream_timeout' : 'upstream_unreachable', { cause: error })
}
