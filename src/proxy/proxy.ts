import type { IncomingMessage, ServerResponse } from 'node:http'
import { BffError } from '../errors.ts'
import { demandAntiForgery } from '../http/anti-forgery.ts'
import type { Options } from '../options.ts'
import type { Forwarder } from './forward.ts'
import { requestHeaders } from './headers.ts'
import { type Target, upstreamPath } from './target.ts'

/** What we do for a request that is not ours. It reads, and writes nothing that its answer would wait for. */
export type Proxy = (request: IncomingMessage, response: ServerResponse, target: Target) => Promise<void>

/**
 * @param refOf the session a request's cookie names, `null` for none
 * @param accessToken a token for that session; throws what stops the request
 */
export function createProxy(
  { publicUrl }: Options,
  forwarder: Forwarder,
  refOf: (request: IncomingMessage) => string | null,
  accessToken: (ref: string) => Promise<string>,
): Proxy {
  const { protocol, host } = new URL(publicUrl)
  const facts = { proto: protocol.slice(0, -1), host }

  return async (request, response, target) => {
    const { method } = request
    // TRACE would show the token to whoever reads the answer.
    if (method === 'TRACE' || method === 'CONNECT') throw new BffError('method_not_allowed')
    const path = upstreamPath(target, request.url ?? '')
    demandAntiForgery(request, target.route.antiForgery, publicUrl)
    const ref = refOf(request)
    if (ref === null) throw new BffError('no_session')
    const headers = requestHeaders(request, await accessToken(ref), facts)
    if (response.destroyed) return // left while we waited
    await forwarder.forward(request, response, { origin: target.origin, path, headers })
  }
}
