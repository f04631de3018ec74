import { Agent, type Dispatcher } from 'undici'

/** Answers longer than this are cut off: no protocol message comes near it. */
const maxAnswerBytes = 1_000_000

/** A request has no answer that could be read, sent or not. The message is ours, a sentence about the provider. */
export class ProviderSilent extends Error {
  override readonly name = 'ProviderSilent'
}

export interface AskOptions {
  /** Milliseconds from the moment the request goes out until the whole answer is here. */
  timeoutMs: number
  /** Asked when a connection is open and the next thing is the request itself; `false` withdraws it. */
  beforeSend?: () => boolean
  /** Told of a whole answer, whatever its status, before anybody judges it. */
  onAnswer?: (answer: Answer) => void
}

export interface Answer {
  status: number
  /** The `Retry-After` header as it came. */
  retryAfter: string | null
  body: string
}

/** An HTTP client for the provider: no retries, no redirects, no decoding, and it knows whether a request was sent. */
export interface ProviderHttp {
  /** A `fetch` for one protocol step. @throws ProviderSilent */
  fetchWith(options: AskOptions): Fetch
  close(): Promise<void>
}

/** @throws ProviderSilent */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>

/** What openid-client hands to a custom fetch. */
interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: unknown
}

export function createProviderHttp(connectMs: number): ProviderHttp {
  // HTTP/1.1: undici takes an HTTP/2 body that was cut off for a complete one.
  const agent = new Agent({ connect: { timeout: connectMs }, allowH2: false, headersTimeout: 0, bodyTimeout: 0 })
  return {
    fetchWith: (options) => (url, init) => ask(agent, new URL(url), init, options),
    close: () => agent.destroy(),
  }
}

const bodiless = new Set([204, 205, 304])

function ask(
  agent: Agent,
  url: URL,
  init: FetchInit,
  { timeoutMs, beforeSend, onAnswer }: AskOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    let status = 0
    let headers = new Headers()
    const chunks: Buffer[] = []
    let bytes = 0
    let timer: NodeJS.Timeout | undefined

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        if (beforeSend?.() === false) {
          controller.abort(new Error('withdrawn'))
          return
        }
        // Not at once: after a pause of this process the answer may lie in the socket, yet to be read.
        const giveUp = () => controller.abort(new Error('no answer in time'))
        timer = setTimeout(() => setImmediate(giveUp), timeoutMs)
      },
      onResponseStart(_controller, statusCode, received) {
        status = statusCode
        headers = new Headers(Object.entries(received).map(([name, value]) => [name, String(value ?? '')]))
      },
      onResponseData(controller, chunk) {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) controller.abort(new ProviderSilent('it answers with more than a megabyte'))
        else chunks.push(chunk)
      },
      onResponseEnd() {
        clearTimeout(timer)
        const body = Buffer.concat(chunks).toString()
        onAnswer?.({ status, retryAfter: headers.get('retry-after'), body })
        // The Fetch standard knows no status above 599, and no body with these.
        if (status > 599) reject(new ProviderSilent(`it answers with status ${status}`))
        else resolve(new Response(bodiless.has(status) ? null : body, { status, headers }))
      },
      onResponseError(_controller, error) {
        clearTimeout(timer)
        reject(error instanceof ProviderSilent ? error : new ProviderSilent('it does not answer', { cause: error }))
      },
    }

    const { method, headers: requestHeaders, body } = init
    const request: Dispatcher.DispatchOptions = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as Dispatcher.HttpMethod, // GET and POST: openid-client knows no others
      headers: requestHeaders,
      body: body === undefined || body === null ? null : String(body),
    }
    agent.dispatch(request, handler)
  })
}
