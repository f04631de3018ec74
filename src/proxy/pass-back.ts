import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { closeBehind } from '../http/linger.ts'
import { refuseAmbiguous } from './ambiguous.ts'
import type { Connection, Passenger } from './connection.ts'
import { endStream } from './end-stream.ts'
import type { Watch } from './idle-limit.ts'
import { passInterim } from './interim.ts'
import { onceTaken } from './once-taken.ts'
import type { Passed } from './passed.ts'
import { answerRefusal, type Instead } from './refusal.ts'
import { wantsTrailers } from './trailers.ts'
import type { Bound } from './upgrade.ts'
import { upstreamProblem } from './upstream-problem.ts'
import { writeHead } from './write-head.ts'

/**
 * Passes an upstream's response on as it comes, at the pace of the client. A class, as its methods would be a dozen closures
 * for each request otherwise.
 */
export class PassBack implements Passenger {
  connection?: Connection
  readonly #passed: Passed
  readonly #insteadOf: (() => Promise<string | null>) | null
  #upstream: Dispatcher.DispatchController | undefined
  #instead: Instead = null
  #deciding: Promise<void> | undefined
  #head: IncomingHttpHeaders = {}
  #announcedBytes = -1
  #heardBefore = 0
  #bound: Bound | undefined
  #watch: Watch | undefined
  #draining: Watch | undefined

  /** @param insteadOf what to ask for another token when the upstream refuses this one; `null` to let its refusal stand */
  constructor(passed: Passed, insteadOf: (() => Promise<string | null>) | null) {
    this.#passed = passed
    this.#insteadOf = insteadOf
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    const { response } = this.#passed
    this.#upstream = controller
    this.#heardBefore = this.connection?.heardBytes ?? 0
    if (response.destroyed) this.#left()
    else response.on('close', () => this.#left())
  }

  onRequestUpgrade(_: Dispatcher.DispatchController, _status: number, headers: IncomingHttpHeaders, socket: Duplex) {
    const { upgraded, resolve } = this.#passed
    this.#finish(() => upgraded(headers, socket))
    resolve()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders) {
    const { response, rules, signedIn, idleLimit } = this.#passed
    if (status < 200) return passInterim(response, status, rules.response(headers))
    this.#watch = idleLimit.watch(() => controller.abort(fellSilent))
    if (status !== 401 || signedIn === null) return this.#passHead(status, headers)
    const refusal = answerRefusal(headers, signedIn, this.#passed, this.#insteadOf)
    if (refusal === null) this.#passHead(status, headers)
    else if (refusal instanceof Promise) {
      this.#hold(controller)
      const pass = () => this.#passHead(status, headers)
      this.#deciding = refusal.then((decided) => this.#decide(decided, pass)).then(() => this.#goOn(controller))
    } else this.#instead = refusal
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    const { response, drainLimit } = this.#passed
    this.#watch?.heard()
    if (this.#instead !== null || response.writableEnded) return
    this.#bound?.used()
    if (chunk.length === this.#announcedBytes && chunk.length <= inOneWrite) {
      // The whole body: as text it goes out in one piece with the head, byte for byte.
      response.end(chunk.toString('latin1'), 'latin1')
      return
    }
    if (response.write(chunk)) return
    this.#hold(controller)
    this.#draining ??= drainLimit.watch(() => response.destroy())
    this.#draining.heard()
    onceTaken(response, () => {
      this.#draining?.hold()
      this.#goOn(controller)
    })
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders) {
    if (this.#deciding !== undefined) {
      return this.#endOnceDecided(this.#deciding, controller, () => this.onResponseEnd(controller, trailers))
    }
    const { request, response, rules, resolve } = this.#passed
    if (this.#instead !== null) return this.#finish(this.#instead)
    if (wantsTrailers(request)) response.addTrailers(rules.trailers(trailers, this.#head))
    if (!response.writableEnded) response.end()
    this.#finish(resolve)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error) {
    if (this.#deciding !== undefined) {
      return this.#endOnceDecided(this.#deciding, controller, () => this.onResponseError(controller, error))
    }
    const { response, resolve, reject, again, brokeOff } = this.#passed
    if (this.#instead !== null && !response.destroyed) return this.#finish(this.#instead)
    if (!response.headersSent && !response.destroyed) {
      const problem = upstreamProblem(error)
      const isRepeated = again !== null && problem.problem === 'upstream_unreachable' && this.#diedIdle()
      return this.#finish(isRepeated ? () => again(null) : () => reject(problem))
    }
    // Half a response must look like half a response.
    if (!response.writableEnded && !response.destroyed) {
      brokeOff(error)
      // A connection that closes without a word looks stale: browsers would send the request again, whatever it does.
      response.flushHeaders()
      response.destroy()
    }
    this.#finish(resolve)
  }

  #left() {
    if (!this.#passed.response.writableFinished) this.#upstream?.abort(new Error('the client has left'))
  }

  #passHead(status: number, headers: IncomingHttpHeaders) {
    const { request, response, rules, limitsEvents, bind } = this.#passed
    refuseAmbiguous(headers)
    // What is left of a request that was answered early would be taken for the next one.
    if (!request.complete) closeBehind(response)
    writeHead(response, status, rules.response(headers))
    this.#head = headers
    this.#announcedBytes = Number(headers['content-length'] ?? -1)
    // These have no body whatever their headers say; waiting for one would only find fault with it.
    if (request.method === 'HEAD' || status === 204 || status === 304) return void response.end()
    if (!isEventStream.test(String(headers['content-type']))) return
    if (!limitsEvents) this.#watch?.release()
    this.#bound = bind(() => {
      endStream(response, this.#announcedBytes >= 0)
      this.#upstream?.abort(new Error('the session has ended'))
    })
  }

  #decide(refusal: Instead, pass: () => void) {
    this.#deciding = undefined
    if (this.#passed.response.destroyed) return // left meanwhile: what is opened now nobody would close
    this.#instead = refusal
    try {
      if (refusal === null) pass()
    } catch (error) {
      this.#instead = () => this.#passed.reject(upstreamProblem(error as Error))
    }
  }

  /**
   * The end of a response may come before it is decided what becomes of it, though undici was told to pause: when it is
   * one to HEAD, or its connection closes.
   */
  #endOnceDecided(decided: Promise<void>, controller: Dispatcher.DispatchController, end: () => void) {
    decided.then(end).catch((error: Error) => this.onResponseError(controller, error))
  }

  /** An upstream may close an idle connection just as we write to it (RFC 9112, section 9.3.1). */
  #diedIdle(): boolean {
    return this.#heardBefore > 0 && this.connection?.heardBytes === this.#heardBefore
  }

  #hold(controller: Dispatcher.DispatchController) {
    this.#watch?.hold()
    controller.pause()
  }

  #goOn(controller: Dispatcher.DispatchController) {
    this.#watch?.heard()
    controller.resume()
  }

  #finish(after: () => void) {
    this.#watch?.release()
    this.#draining?.release()
    this.#bound?.release()
    after()
  }
}

/** Media types know no case (RFC 9110, section 8.3.1); of a header that came twice the first one counts. */
const isEventStream = /^text\/event-stream\b/i

const fellSilent = new Error('nothing was heard of the response for too long')

/** Bodies up to so many bytes are not worth a write of their own. */
const inOneWrite = 16_384
