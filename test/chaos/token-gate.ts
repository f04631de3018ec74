import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { closeServer, listen } from '../../demo/listen.ts'
import type { Random } from '../support/random.ts'
import { now } from './clock.ts'
import { type Exchange, type History, nameOf } from './history.ts'

/** What the provider does instead of answering. */
export type Outage = 'unavailable' | 'too-many' | 'hang' | 'late'

/** Stands in front of the provider's token and revocation endpoints: notes every exchange, and spoils some. */
export interface TokenGate extends AsyncDisposable {
  port: number
  /** Whether an access token of this name was issued. */
  hasIssued(token: string): boolean
  /** @returns the way to end it */
  begin(outage: Outage): () => void
  /** The next rotation is made, and its answer lost or made an error. */
  spoilNext(how: 'swallowed' | 'spoiled'): void
  /** Calls back, once, when the provider has rotated, before the node has the answer. */
  onRotation(strike: (node: number) => void): void
}

export interface TokenGateOptions {
  history: History
  random: Random
  /** Of the provider itself. */
  issuer: string
  /** Which node a request came from, by the address it was sent to. */
  nodeOf: (host: string | undefined) => number
  /** A token that was just rotated is taken again for so long, and gets the same answer. @default never */
  leewayMs?: number
}

/** A provider at work takes so long, in milliseconds, before it decides and after. */
const longestWorkMs = 60

export async function startTokenGate(options: TokenGateOptions): Promise<TokenGate> {
  const { history, random, issuer, nodeOf, leewayMs = 0 } = options
  const known = new Set<string>()
  const rotated = new Map<string, { at: number; answer: Answer }>()
  const spoils: ('swallowed' | 'spoiled')[] = []
  const strikes: ((node: number) => void)[] = []
  let outage: { kind: Outage; over: Promise<void> } | null = null

  /** The provider's own answer, or the one it gave to the same token a moment ago. */
  async function decide(request: IncomingMessage, body: string, presented: string | null): Promise<Answer> {
    const before = presented === null ? undefined : rotated.get(presented)
    if (before !== undefined && now() - before.at < leewayMs) return before.answer
    const answer = await forward(`${issuer}/token`, request, body)
    if (leewayMs > 0 && presented !== null && answer.status === 200) rotated.set(presented, { at: now(), answer })
    return answer
  }

  async function exchange(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const token = new URLSearchParams(body).get('refresh_token')
    const seen = begunExchange(history, nodeOf(request.headers.host), token === null ? null : nameOf(token))
    const end = (fate: Exchange['fate']) => Object.assign(seen, { fate, ended: now() })
    response.once('close', () => seen.fate === 'pending' && !response.writableFinished && end('left'))

    await pause(random.int(1, longestWorkMs))
    const current = outage
    if (current?.kind === 'unavailable' || current?.kind === 'too-many') {
      end('declined')
      return void decline(response, current.kind === 'unavailable' ? 503 : 429)
    }
    await current?.over
    if (current?.kind === 'hang') {
      response.destroy()
      return void end('dropped')
    }
    const answer = await decide(request, body, seen.presented)
    noteDecision(seen, answer)
    if (seen.issued !== null) known.add(seen.issued.access)
    const isRotation = seen.presented !== null && seen.issued !== null
    if (isRotation) strikes.shift()?.(seen.node)
    await pause(random.int(1, longestWorkMs))
    if (response.destroyed) return void end('left')
    const spoil = isRotation ? spoils.shift() : undefined
    if (spoil !== undefined) {
      end(spoil)
      return void (spoil === 'swallowed' ? response.destroy() : decline(response, 502))
    }
    end('delivered')
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  }

  const server = createServer(async (request, response) => {
    try {
      const body = await text(request)
      if (request.url === '/token') return await exchange(request, response, body)
      const token = nameOf(new URLSearchParams(body).get('token') ?? '')
      history.revocations.push({ at: now(), node: nodeOf(request.headers.host), token })
      const { status } = await forward(`${issuer}/token/revocation`, request, body)
      response.writeHead(status).end()
    } catch {
      // The request broke off, and so does the answer.
      response.destroy()
    }
  })

  return {
    port: await listen(server, 0, '127.0.0.1'),
    hasIssued: (token) => known.has(token),
    begin(kind) {
      const over = Promise.withResolvers<void>()
      outage = { kind, over: over.promise }
      return () => {
        outage = null
        over.resolve()
      }
    },
    spoilNext: (how) => spoils.push(how),
    onRotation: (strike) => strikes.push(strike),
    [Symbol.asyncDispose]: () => closeServer(server),
  }
}

interface Answer {
  status: number
  body: string
}

async function forward(url: string, { headers }: IncomingMessage, body: string): Promise<Answer> {
  const { authorization = '', 'content-type': type = '' } = headers
  const response = await fetch(url, { method: 'POST', headers: { authorization, 'content-type': type }, body })
  return { status: response.status, body: await response.text() }
}

function begunExchange(history: History, node: number, presented: string | null): Exchange {
  const exchange: Exchange = {
    id: history.exchanges.length + 1,
    node,
    user: null,
    presented,
    arrived: now(),
    processed: null,
    outcome: 'none',
    issued: null,
    fate: 'pending',
    ended: null,
  }
  history.exchanges.push(exchange)
  return exchange
}

function noteDecision(exchange: Exchange, { status, body }: Answer): void {
  exchange.processed = now()
  const { access_token, refresh_token, error } = JSON.parse(body)
  if (status === 200) {
    exchange.outcome = 'issued'
    exchange.issued = { access: nameOf(access_token), refresh: nameOf(refresh_token) }
    exchange.user = decodeJwt(access_token).sub ?? null
  } else exchange.outcome = error === 'invalid_grant' ? 'refused' : 'declined'
}

/** What stands in front of a provider says this, and it is not JSON. */
function decline(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/html', ...(status === 429 ? { 'retry-after': '1' } : {}) })
  response.end('<h1>Not now</h1>')
}
