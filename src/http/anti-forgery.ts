import type { IncomingMessage } from 'node:http'
import { BffError } from '../errors.ts'
import { antiForgeryHeader } from '../wire.ts'

/** `web-socket`: for a handshake, on which a script cannot set a header either. */
export type AntiForgeryRule = 'header' | 'fetch-metadata' | 'web-socket'

/**
 * Proof that a request was made by our own origin's script. A page elsewhere can neither set our header (it would need
 * a preflight, which is never granted) nor lie about `Sec-Fetch-Site` and `Origin`, which the browser writes.
 * @param rule `fetch-metadata`: for requests on which a script cannot set a header
 * @throws BffError `anti_forgery`
 */
export function demandAntiForgery(
  { method, headers }: IncomingMessage,
  rule: AntiForgeryRule,
  publicUrl: string,
): void {
  const site = headers['sec-fetch-site']
  const { origin } = headers
  // Where the browser says where a request comes from, it must say: from here.
  if (origin !== undefined && origin !== publicUrl) throw new BffError('anti_forgery')
  if (site !== undefined && site !== 'same-origin') throw new BffError('anti_forgery')
  if (headers[antiForgeryHeader.name] === antiForgeryHeader.value) return
  // A browser sends `Origin` with every handshake, and not always `Sec-Fetch-Site`.
  if (rule === 'web-socket' && origin === publicUrl) return
  const isEventSource = method === 'GET' && headers.accept === 'text/event-stream'
  if ((rule === 'fetch-metadata' || isEventSource) && site === 'same-origin') return
  throw new BffError('anti_forgery')
}
