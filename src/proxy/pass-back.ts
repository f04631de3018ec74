import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { closeBehind } from '../http/linger.ts'
import type { SignedIn } from '../tokens/signed-in.ts'
import { refuseAmbiguous } from './ambiguous.ts'
import type { Passenger } from './connection.ts'
import { endStream } from './end-stream.ts'
import type { HeaderRules } from './headers.ts'
import type { IdleLimit, Watch } from './idle-limit.ts'
import { passInterim } from './interim.ts'
import { answerRefusal, type Instead, type Refusable } from './refusal.ts'
import { wantsTrailers } from './trailers.ts'
import type { Bind, Bound } from './upgrade.ts'
import { upstreamProblem } from './upstream-problem.ts'
import { writeHead } from './write-head.ts'

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

/**
 * Passes an upstream's response on as it comes, at the pace of the client.
 * @param insteadOf what to ask for another token when the upstream refuses this one; `null` to let its refusal stand
 */
export function createPassBack(passed: Passed, insteadOf: (() => Promise<string | null>) | null): Passenger {
  const { request, response, rules, signedIn, resolve, reject, bind, again } = passed
  let upstream: Dispatcher.DispatchController | undefined
  let instead: Instead = null
  let deciding: Promise<void> | undefined
  let head: IncomingHttpHeaders = {}
  let announced = -1
  let heardBefore = 0
  let bound: Bound | undefined
  let watch: Watch | undefined
  let draining: Watch | undefined
  const left = () => {
    if (!response.writableFinished) upstream?.abort(new Error('the client has left'))
  }

  function passHead(status: number, headers: IncomingHttpHeaders) {
    refuseAmbiguous(headers)
    // What is left of a request that was answered early would be taken for the next one.
    if (!request.complete) closeBehind(response)
    writeHead(response, status, rules.response(headers))
    head = headers
    announced = Number(headers['content-length'] ?? -1)
    // These have no body whatever their headers say; waiting for one would only find fault with it.
    if (request.method === 'HEAD' || status === 204 || status === 304) return void response.end()
    if (!isEventStream.test(String(headers['content-type']))) return
    if (!passed.limitsEvents) watch?.release()
    bound = bind(() => {
      endStream(response, announced >= 0)
      upstream?.abort(new Error('the session has ended'))
    })
  }

  function decide(refusal: Instead, pass: () => void) {
    deciding = undefined
    if (response.destroyed) return // left meanwhile: what is opened now nobody would close
    instead = refusal
    try {
      if (refusal === null) pass()
    } catch (error) {
      instead = () => reject(upstreamProblem(error as Error))
    }
  }

  /**
   * The end of a response may come before it is decided what becomes of it, though undici was told to pause: when it is
   * one to HEAD, or its connection closes.
   */
  function endOnceDecided(decided: Promise<void>, controller: Dispatcher.DispatchController, handle: () => void) {
    decided.then(handle).catch((error: Error) => handler.onResponseError?.(controller, error))
  }

  function finish(after: () => void) {
    watch?.release()
    draining?.release()
    bound?.release()
    after()
  }

  function hold(controller: Dispatcher.DispatchController) {
    watch?.hold()
    controller.pause()
  }

  function goOn(controller: Dispatcher.DispatchController) {
    watch?.heard()
    controller.resume()
  }

  const handler: Passenger = {
    onRequestStart(controller) {
      upstream = controller
      heardBefore = handler.connection?.heardBytes ?? 0
      if (response.destroyed) left()
      else response.on('close', left)
    },
    onRequestUpgrade(_controller, _status, headers, socket) {
      finish(() => passed.upgraded(headers, socket))
      resolve()
    },
    onResponseStart(controller, status, headers) {
      if (status < 200) return passInterim(response, status, rules.response(headers))
      watch = passed.idleLimit.watch(() => controller.abort(fellSilent))
      if (status !== 401 || signedIn === null) return passHead(status, headers)
      const refusal = answerRefusal(headers, signedIn, passed, insteadOf)
      if (refusal === null) passHead(status, headers)
      else if (refusal instanceof Promise) {
        hold(controller)
        const pass = () => passHead(status, headers)
        deciding = refusal.then((decided) => decide(decided, pass)).then(() => goOn(controller))
      } else instead = refusal
    },
    onResponseData(controller, chunk) {
      watch?.heard()
      if (instead !== null || response.writableEnded) return
      bound?.used()
      if (chunk.length === announced && announced <= inOneWrite) {
        // The whole body: as text it goes out in one piece with the head, byte for byte.
        response.end(chunk.toString('latin1'), 'latin1')
        return
      }
      if (response.write(chunk)) return
      hold(controller)
      draining ??= passed.drainLimit.watch(() => response.destroy())
      draining.heard()
      // Node would go on waiting for a client that has ended its side and takes nothing any more.
      const { socket } = response
      const gone = () => response.destroy()
      socket?.once('end', gone)
      response.once('drain', () => {
        socket?.off('end', gone)
        draining?.hold()
        goOn(controller)
      })
    },
    onResponseEnd(controller, trailers) {
      if (deciding !== undefined)
        return endOnceDecided(deciding, controller, () => handler.onResponseEnd?.(controller, trailers))
      if (instead !== null) return finish(instead)
      if (wantsTrailers(request)) response.addTrailers(rules.trailers(trailers, head))
      if (!response.writableEnded) response.end()
      finish(resolve)
    },
    onResponseError(controller, error) {
      if (deciding !== undefined)
        return endOnceDecided(deciding, controller, () => handler.onResponseError?.(controller, error))
      if (instead !== null && !response.destroyed) return finish(instead)
      if (!response.headersSent && !response.destroyed) {
        const problem = upstreamProblem(error)
        const isUnreachable = problem.problem === 'upstream_unreachable'
        // An upstream may close an idle connection just as we write to it (RFC 9112, section 9.3.1).
        const diedIdle = isUnreachable && heardBefore > 0 && handler.connection?.heardBytes === heardBefore
        return finish(diedIdle && again !== null ? () => again(null) : () => reject(problem))
      }
      // Half a response must look like half a response.
      if (!response.writableEnded && !response.destroyed) {
        passed.brokeOff(error)
        // A connection that closes without a word looks stale: browsers would send the request again, whatever it does.
        response.flushHeaders()
        response.destroy()
      }
      finish(resolve)
    },
  }
  return handler
}

/** Media types know no case (RFC 9110, section 8.3.1); of a header that came twice the first one counts. */
const isEventStream = /^text\/event-stream\b/i

const fellSilent = new Error('nothing was heard of the response for too long')

/** Bodies up to so many bytes are not worth a write of their own. */
const inOneWrite = 16_384
