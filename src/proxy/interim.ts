import type { ServerResponse } from 'node:http'
import type { ResponseHeaders } from './headers.ts'

/** As much as a response may be behind before its writer is asked to wait. */
const mostWaitingBytes = 16_384

/**
 * Passes on that there is more to wait for, to clients that know of it (RFC 9110, section 15.2 and RFC 8297). One that
 * does not take what it has been sent already is sent no more of this: it would heap up here.
 * @param headers as the final response would have them
 */
export function passInterim(response: ServerResponse, status: number, { link }: ResponseHeaders): void {
  if (response.headersSent || response.destroyed || response.req.httpVersion === '1.0') return
  if (response.writableLength > mostWaitingBytes) return
  if (status === 102) response.writeProcessing()
  else if (status === 103 && link !== undefined) {
    try {
      response.writeEarlyHints({ link: String(link).split(/,\s*(?=<)/) })
    } catch {
      // Node takes fewer links than RFC 8288 allows; a hint that cannot be passed on is no reason to fail the answer.
    }
  }
}
