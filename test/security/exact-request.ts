import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'

export interface ExactAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export type ExactRequest = (
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
) => Promise<ExactAnswer>

/** Sends requests with these headers and no others, which `fetch` would not; connections are used again. */
export function createExactRequest(origin: string): ExactRequest {
  const secure = origin.startsWith('https:')
  const agent = secure ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
  const send = secure ? tlsRequest : httpRequest
  return (method, path, headers, body) => {
    const answer = Promise.withResolvers<ExactAnswer>()
    const sent = send(new URL(path, origin), { method, headers: { ...headers }, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', answer.reject)
      response.on('end', () =>
        answer.resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      )
    })
    sent.on('error', answer.reject)
    sent.end(body)
    return answer.promise
  }
}
