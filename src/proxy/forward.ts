import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, errors, Pool } from 'undici'
import { BffError } from '../errors.ts'
import type { Timing } from '../timing.ts'
import { responseHeaders } from './headers.ts'

/** Streams one request to an upstream and its response back. */
export interface Forwarder {
  /**
   * Resolves when the response has been passed on, or its client has left.
   * @throws BffError `upstream_unreachable`, `upstream_timeout`, when nothing has been sent to the client yet
   */
  forward(
    request: IncomingMessage,
    response: ServerResponse,
    to: { origin: string; path: string; headers: string[] },
  ): Promise<void>
  close(): Promise<void>
}

export function createForwarder(timing: Timing): Forwarder {
  const pools = new Map<string, Pool>()

  function poolOf(origin: string): Pool {
    const known = pools.get(origin)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connect: { timeout: timing.connect },
      headersTimeout: timing.firstByte,
      bodyTimeout: timing.idleBody,
      // undici takes an HTTP/2 body that was cut off for a complete one.
      allowH2: false,
    })
    pools.set(origin, pool)
    return pool
  }

  return {
    forward: (request, response, { origin, path, headers }) =>
      new Promise((resolve, reject) => {
        const method = request.method as Dispatcher.HttpMethod // Node's parser accepts no other tokens
        const hasBody =
          request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0
        const dispatched: Dispatcher.DispatchOptions = { path, method, headers, body: hasBody ? request : null }
        poolOf(origin).dispatch(dispatched, passBack(request, response, resolve, reject))
      }),
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** Passes an upstream's response on as it comes, at the pace of the client. */
function passBack(
  request: IncomingMessage,
  response: ServerResponse,
  done: () => void,
  fail: (error: BffError) => void,
): Dispatcher.DispatchHandler {
  let upstream: Dispatcher.DispatchController | undefined
  const left = () => {
    if (!response.writableFinished) upstream?.abort(new Error('the client has left'))
  }

  return {
    onRequestStart(controller) {
      upstream = controller
      if (response.destroyed) left()
      else response.once('close', left)
    },
    onResponseStart(_controller, status, headers) {
      if (status < 200) return
      response.writeHead(status, responseHeaders(headers))
      // These have no body whatever their headers say; waiting for one would only find fault with it.
      if (request.method === 'HEAD' || status === 204 || status === 304) response.end()
    },
    onResponseData(controller, chunk) {
      if (response.writableEnded || response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      response.end()
      done()
    },
    onResponseError(_controller, error) {
      // Half a response must look like half a response.
      if (!response.headersSent && !response.destroyed) return fail(problemOf(error))
      if (!response.writableEnded) response.destroy()
      done()
    },
  }
}

function problemOf(error: Error): BffError {
  const late =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  return new BffError(late ? 'upstream_timeout' : 'upstream_unreachable', { cause: error })
}
