import type { IncomingMessage, ServerResponse } from 'node:http'
import { BffError } from '../errors.ts'
import { demandAntiForgery } from '../http/anti-forgery.ts'
import type { Options } from '../options.ts'
import type { Tokens } from '../tokens/tokens.ts'
import type { Forwarder } from './forward.ts'
import { requestHeaders } from './headers.ts'
import { type Target, upstreamPath } from './target.ts'

/** What we do for a request that is not ours. It reads, and writes nothing that its answer would wait for. */
export type Proxy = (request: IncomingMessage, response: ServerResponse, target: Target) => Promise<void>

/**
 * @param refOf the session a request's cookie names, `null` for none
 * @param tokens what that session may spend; throws what stops the request
 */
export function createProxy(
  { publicUrl }: Options,
  forwarder: Forwarder,
  refOf: (request: IncomingMessage) => string | null,
  tokens: Pick<Tokens, 'spendable' | 'insteadOf'>,
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
    const spent = await tokens.spendable(ref)
    if (response.destroyed) return // left while we waited
    await forwarder.forward(request, response, {
      origin: target.origin,
      path,
      headers: requestHeaders(request, spent.accessToken, facts),
      async whenRefused() {
        const fresh = await tokens.insteadOf(ref, spent)
        return fresh === null ? null : requestHeaders(request, fresh.accessToken, facts)
      },
    })
  }
}
