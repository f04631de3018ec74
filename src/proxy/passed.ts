import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SignedIn } from '../tokens/signed-in.ts'
import type { HeaderRules } from './headers.ts'
import type { IdleLimit } from './idle-limit.ts'
import type { Refusable } from './refusal.ts'
import type { Bind } from './upgrade.ts'

/** One request on its way, and who wants to know how it went. */
export interface Passed extends Refusable {
  request: IncomingMessage
  response: ServerResponse
  rules: HeaderRules
  /** `null` when there is no user behind the request. */
  signedIn: SignedIn | null
  resolve: () => void
  /** Told of a response that was cut off after it had begun. */
  brokeOff: (error: Error) => void
  bind: Bind
  /** How long the upstream may be silent. */
  idleLimit: IdleLimit
  /** Whether it holds for event streams too, which are silent for as long as nothing happens. */
  limitsEvents: boolean
  /** How long the client may take nothing of what it has been sent. */
  drainLimit: IdleLimit
  /** Told of the upstream's socket when it has agreed to leave HTTP; says itself what was wrong with that. */
  upgraded: (headers: IncomingHttpHeaders, socket: Duplex) => void
}
