import type { IncomingMessage } from 'node:http'
import { BffError } from '../errors.ts'
import type { Say } from '../telemetry/events.ts'

/**
 * The body of a request is ours to read.
 * @throws BffError `internal` when the program that we are part of has read it already: waiting for it would never end
 */
export function demandUnread({ readableDidRead }: IncomingMessage, say: Say): void {
  if (!readableDidRead) return
  say('body_already_read', { remedy: 'put bff.router before any body parser' })
  throw new BffError('internal')
}
