import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { BffError } from '../errors.ts'
import { askForBody } from '../http/expect-continue.ts'
import { hasBody } from '../http/framing.ts'
import { demandUnread } from '../http/unread-body.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import type { SignedIn } from '../tokens/signed-in.ts'
import { createBodyLimit } from './body-limit.ts'
import type { HeaderRules } from './headers.ts'
import { createIdleLimit } from './idle-limit.ts'
import { PassBack } from './pass-back.ts'
import type { Passed } from './passed.ts'
import type { StepUp } from './step-up.ts'
import type { Target } from './target.ts'
import { acceptWebSocket, type Bind, switchesToWebSocket, type Upgrading } from './upgrade.ts'
import { createUpstream } from './upstreams.ts'

/** What is asked of an upstream, beside what the client's request says itself. */
export interface Forwarded {
  path: string
  /** `null` for no token. */
  token: string | null
  /**
   * Asked when the upstream has refused the token as invalid: another one to try once more with, or `null` to let the
   * refusal stand. Never asked twice.
   */
  insteadOf: (() => Promise<string | null>) | null
  /** How the user behind the token has signed in, `null` without one. */
  signedIn: SignedIn | null
  bind: Bind
  /** Set when the request is a WebSocket handshake. */
  upgrading: Upgrading | null
}

/** Streams requests to one route's upstream and its responses back. */
export interface Forwarder {
  /**
   * Resolves when the response has been passed on, or its client has left.
   * @throws BffError `payload_too_large`, `upstream_unreachable`, `upstream_timeout`, `step_up_required`,
   *   `insufficient_scope`, or what `insteadOf` threw, when nothing has been sent to the client yet
   */
  forward(request: IncomingMessage, response: ServerResponse, forwarded: Forwarded): Promise<void>
  close(): Promise<void>
}

const otherProtocol = new Error('the upstream switched to a protocol that nobody asked for')

/** May be sent twice (RFC 9110, section 9.2.2); only without a body, which is not kept. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export function createForwarder(
  target: Target,
  rules: HeaderRules,
  stepUp: StepUp,
  timing: Timing,
  say: Say,
): Forwarder {
  const { origin, route } = target
  const upstream = createUpstream(target, timing)
  const { idle } = route.timeouts
  const idleMs = idle === undefined ? null : idle * 1000
  const drainLimit = createIdleLimit(timing.idleBody)
  const idleLimit = idleMs === null ? drainLimit : createIdleLimit(idleMs)
  const limitsEvents = idleMs !== null
  const brokeOff = (error: Error) => say('upstream_broke_off', { origin }, error)

  return {
    forward(request, response, { path, token, insteadOf, signedIn, bind, upgrading }) {
      const method = request.method as Dispatcher.HttpMethod // Node's parser accepts no other tokens
      const body = bodyOf(request, route.maxBodyBytes, say)
      askForBody(request, response)
      const upgrade = upgrading === null ? null : 'websocket'
      const options = { path, method, body, upgrade }

      return new Promise<void>((resolve, reject: (error: BffError) => void) => {
        const upgraded: Passed['upgraded'] = (headers, socket) => {
          // The browser may have left a moment ago.
          if (upgrading === null || upgrading.socket.destroyed) return void socket.destroy()
          if (!switchesToWebSocket(headers)) {
            socket.destroy()
            return reject(new BffError('upstream_unreachable', { cause: otherProtocol }))
          }
          acceptWebSocket(upgrading, socket, headers, rules, idleMs, bind)
        }
        const again: Passed['again'] = (fresh) => {
          const headers = rules.request(request, fresh ?? token)
          upstream.dispatchAlone({ ...options, headers }, new PassBack(passed, fresh === null ? insteadOf : null))
        }
        const passed: Passed = {
          request,
          response,
          rules,
          signedIn,
          stepUp,
          resolve,
          reject,
          brokeOff,
          bind,
          upgraded,
          idleLimit,
          limitsEvents,
          drainLimit,
          again: body === null && idempotent.has(method) ? again : null,
        }
        upstream.dispatch({ ...options, headers: rules.request(request, token) }, new PassBack(passed, insteadOf))
      })
    },
    close: () => upstream.destroy(),
  }
}

/** @throws BffError `payload_too_large` when the client says so itself, `internal` when somebody has read it already */
function bodyOf(request: IncomingMessage, maxBytes: number | undefined, say: Say): Readable | null {
  if (!hasBody(request)) return null
  const { 'transfer-encoding': chunked, 'content-length': length } = request.headers
  demandUnread(request, say)
  if (maxBytes === undefined) return request
  if (Number(length) > maxBytes) throw new BffError('payload_too_large')
  // The length that was said is held to by the parser; only what comes in chunks has to be counted.
  // Not by `pipeline`: a body that is too long would take the client's connection along, and the answer with it.
  return chunked === undefined ? request : request.pipe(createBodyLimit(maxBytes))
}
