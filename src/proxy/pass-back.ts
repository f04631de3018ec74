import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { BffError } from '../errors.ts'
import { closeBehind } from '../http/linger.ts'
import type { SignedIn } from '../tokens/signed-in.ts'
import { refuseAmbiguous } from './ambiguous.ts'
import { readBearerChallenge } from './challenge.ts'
import type { Passenger } from './connection.ts'
import { endStream } from './end-stream.ts'
import type { HeaderRules } from './headers.ts'
import type { IdleLimit, Watch } from './idle-limit.ts'
import { passInterim } from './interim.ts'
import type { StepUp } from './step-up.ts'
import { wantsTrailers } from './trailers.ts'
import type { Bind, Bound } from './upgrade.ts'

/** One request on its way, and who wants to know how it went. */
export interface Passed {
  request: IncomingMessage
  response: ServerResponse
  rules: HeaderRules
  /** `null` when there is no user behind the request. */
  signedIn: SignedIn | null
  stepUp: StepUp
  resolve: () => void
  reject: (error: BffError) => void
  /** Told of a response that was cut off after it had begun. */
  brokeOff: (error: Error) => void
  bind: Bind
  idleLimit: IdleLimit
  /** Whether it holds for event streams too, which are silent for as long as nothing happens. */
  limitsEvents: boolean
  /** Told of the upstream's socket when it has agreed to leave HTTP; says itself what was wrong with that. */
  upgraded: (headers: IncomingHttpHeaders, socket: Duplex) => void
  /** Sends the request once more, with another token or with the same (`null`); `null` when it cannot be sent twice. */
  again: ((fresh: string | null) => void) | null
}

/**
 * Passes an upstream's response on as it comes, at the pace of the client.
 * @param insteadOf what to ask for another token when the upstream refuses this one; `null` to let its refusal stand
 */
export function createPassBack(passed: Passed, insteadOf: (() => Promise<string | null>) | null): Passenger {
  const { request, response, rules, signedIn, stepUp, resolve, reject, bind, again } = passed
  let upstream: Dispatcher.DispatchController | undefined
  // Set when this response goes nowhere: what to do when it is over.
  let instead: (() => void) | undefined
  let head: IncomingHttpHeaders = {}
  let announced = -1
  let heardBefore = 0
  let bound: Bound | undefined
  let watch: Watch | undefined
  const left = () => {
    if (!response.writableFinished) upstream?.abort(new Error('the client has left'))
  }

  function passHead(status: number, headers: IncomingHttpHeaders) {
    refuseAmbiguous(headers)
    // What is left of a request that was answered early would be taken for the next one.
    if (!request.complete) closeBehind(response)
    const answer = rules.response(headers)
    // RFC 9110, section 8.6: whoever believed it would take what comes next for the body.
    if (status === 204) delete answer['content-length']
    response.writeHead(status, answer)
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

  async function tryOtherwise(
    ask: NonNullable<typeof insteadOf>,
    sendAgain: NonNullable<typeof again>,
    pass: () => void,
  ) {
    try {
      const fresh = await ask()
      if (response.destroyed) return // left while we asked: what is opened now nobody would close
      if (fresh === null) pass()
      else instead = () => sendAgain(fresh)
    } catch (error) {
      instead = () => reject(error instanceof BffError ? error : new BffError('internal', { cause: error }))
    }
  }

  function finish(after: () => void) {
    watch?.release()
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
      if (status < 200) return passInterim(response, status, headers)
      watch = passed.idleLimit.watch(() => controller.abort(fellSilent))
      if (status !== 401 || signedIn === null) return passHead(status, headers)
      const challenge = readBearerChallenge(headers['www-authenticate'])
      const problem = stepUp(challenge, signedIn)
      if (problem !== null) {
        instead = () => reject(problem)
        return
      }
      if (insteadOf === null || challenge?.get('error') !== 'invalid_token') return passHead(status, headers)
      if (again === null) {
        insteadOf().catch(() => undefined) // so that the next request has a better one; this one's refusal stands
        return passHead(status, headers)
      }
      hold(controller)
      void tryOtherwise(insteadOf, again, () => passHead(status, headers)).then(() => goOn(controller))
    },
    onResponseData(controller, chunk) {
      watch?.heard()
      if (instead !== undefined || response.writableEnded) return
      bound?.used()
      if (chunk.length === announced && announced <= inOneWrite) {
        // The whole body: as text it goes out in one piece with the head, byte for byte.
        response.end(chunk.toString('latin1'), 'latin1')
        return
      }
      if (response.write(chunk)) return
      hold(controller)
      // Node would go on waiting for a client that has ended its side and takes nothing any more.
      const { socket } = response
      const gone = () => response.destroy()
      socket?.once('end', gone)
      response.once('drain', () => {
        socket?.off('end', gone)
        goOn(controller)
      })
    },
    onResponseEnd(_controller, trailers) {
      if (instead !== undefined) return finish(instead)
      if (wantsTrailers(request)) response.addTrailers(rules.trailers(trailers, head))
      if (!response.writableEnded) response.end()
      finish(resolve)
    },
    onResponseError(_controller, error) {
      if (instead !== undefined && !response.destroyed) return finish(instead)
      if (!response.headersSent && !response.destroyed) {
        const problem = problemOf(error)
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

function problemOf(error: Error): BffError {
  if (error instanceof BffError) return error
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError
  return new BffError(late ? 'upstream_timeout' : 'upstream_unreachable', { cause: error })
}
