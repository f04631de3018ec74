import type { IncomingMessage, ServerResponse } from 'node:http'
import { overAtOnce } from '../support/token-endpoint.ts'

/** What becomes of a token endpoint's answer; `null` loses it on the way. */
export type AnswerChange = (body: { [member: string]: unknown }) => { [member: string]: unknown } | string | null

/** Changes what a provider answers at its token endpoint, after it has done what it was asked. Give `intercept` to it. */
export interface TokenAnswers {
  intercept(request: IncomingMessage, response: ServerResponse): boolean
  /** Each answer from now on. */
  always(change: AnswerChange): void
  /** The next answer alone, in place of what `always` says. */
  next(change: AnswerChange): void
}

/** @param tokenPath where the token endpoint is */
export function createTokenAnswers(tokenPath = '/token'): TokenAnswers {
  let usual: AnswerChange = (body) => ({ ...body, expires_in: overAtOnce })
  let once: AnswerChange | null = null

  return {
    intercept({ url }, response) {
      if (url !== tokenPath) return false
      const send = response.end.bind(response)
      const end = (text: string) => {
        const change = once ?? usual
        once = null
        const changed = change(JSON.parse(text))
        if (changed === null) return response.destroy()
        const body = typeof changed === 'string' ? changed : JSON.stringify(changed)
        response.setHeader('content-length', Buffer.byteLength(body))
        return send(body)
      }
      Object.assign(response, { end })
      return false
    },
    always(change) {
      usual = change
    },
    next(change) {
      once = change
    },
  }
}
