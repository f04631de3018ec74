import type { IncomingHttpHeaders } from 'node:http'
import { BffError } from '../errors.ts'

const twoLocations = new Error('the upstream sent two Location headers')
const strangeCoding = new Error('the upstream sent a body in a transfer coding that nobody asked for')

/** Chunks have been put together when a body gets here, and `identity` changes nothing. */
const plainCoding = /^(?:chunked|identity)$/i

/** @throws BffError `upstream_unreachable` for a response's head that two readers would take for different things */
export function refuseAmbiguous({ location, 'transfer-encoding': coding }: IncomingHttpHeaders): void {
  // Browsers differ in which of two they follow, and only one can be judged.
  if (Array.isArray(location)) throw new BffError('upstream_unreachable', { cause: twoLocations })
  // The header does not pass, and without it no client could decode the body (RFC 9112, section 6.1).
  if (coding !== undefined && !plainCoding.test(String(coding))) {
    throw new BffError('upstream_unreachable', { cause: strangeCoding })
  }
}
