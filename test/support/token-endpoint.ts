import type { IncomingMessage, ServerResponse } from 'node:http'

/** Seconds of life that are over before the node that received the token can look: sparing tests the wait for an expiry. */
export const overAtOnce = 1e-9

/** An answer in place of the provider's own. */
export interface FalseAnswer {
  status: number
  headers?: Record<string, string>
  body?: string
}

/** What can go wrong at a provider's token endpoint, on purpose. Give `intercept` to `startProvider`. */
export interface TokenEndpoint {
  intercept(request: IncomingMessage, response: ServerResponse): Promise<boolean>
  /** How many requests have arrived. */
  readonly requests: number
  /** Answers every request like this from now on; `null` leaves them to the provider again. */
  answerWith(answer: FalseAnswer | null): void
  /** What the provider's own answers say besides from now on. */
  add(members: Readonly<Record<string, unknown>>): void
  /** Keeps requests waiting, before the provider sees them, until what is returned is called. */
  hold(): () => void
  /** Resolves when the next request arrives. */
  arrival(): Promise<void>
}

export function createTokenEndpoint(): TokenEndpoint {
  let requests = 0
  let falseAnswer: FalseAnswer | null = null
  let added: Readonly<Record<string, unknown>> = {}
  let open: Promise<void> = Promise.resolve()
  let arrived = Promise.withResolvers<void>()

  return {
    get requests() {
      return requests
    },
    async intercept(request, response) {
      if (request.url !== '/token') return false
      requests += 1
      arrived.resolve()
      arrived = Promise.withResolvers<void>()
      await open
      if (falseAnswer === null) {
        addTo(response, added)
        return false
      }
      const { status, headers = { 'content-type': 'application/json' }, body = '{}' } = falseAnswer
      request.resume()
      response.writeHead(status, headers).end(body)
      return true
    },
    answerWith(answer) {
      falseAnswer = answer
    },
    add(members) {
      added = members
    },
    hold() {
      const gate = Promise.withResolvers<void>()
      open = gate.promise
      return gate.resolve
    },
    arrival: () => arrived.promise,
  }
}

/** The provider sends its answer in one piece. */
function addTo(response: ServerResponse, members: Readonly<Record<string, unknown>>): void {
  const end = response.end.bind(response)
  response.end = (body: unknown) => {
    const text = JSON.stringify({ ...JSON.parse(String(body)), ...members })
    response.setHeader('content-length', Buffer.byteLength(text))
    return end(text)
  }
}
