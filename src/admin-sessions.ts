import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { OperatorSessions, WhichSessions } from './session/operator-sessions.ts'
import { sameText } from './session/reference.ts'

/**
 * Answers `GET` and `DELETE /sessions?sub=...`, `?sid=...` or `?all=true` on the operator's port, for who knows the
 * secret. A list is JSON, one session a line; an end answers `{ "ended": 3 }`.
 * 503 while the store is away.
 */
export function createAdminSessions(sessions: OperatorSessions, secret: string) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (given === undefined || !sameText(given, secret)) {
      response.setHeader('www-authenticate', 'Bearer')
      return refuse(response, 401, 'the secret is wrong or missing')
    }
    const which = whichOf(new URLSearchParams(request.url?.split('?')[1]))
    if (which === null)
      return refuse(response, 400, 'exactly one of sub, sid and all=true says which sessions are meant')
    try {
      if (request.method === 'DELETE') return sendJson(response, 200, { ended: await sessions.end(which) })
      if (request.method !== 'GET') {
        response.setHeader('allow', 'GET, DELETE')
        return refuse(response, 405, 'only GET and DELETE')
      }
      const list = sessions.list(which)
      const first = await list.next() // fails where a status can still say so
      response.setHeader('content-type', 'application/jsonl')
      await pipeline(lines(first, list), response)
    } catch {
      if (!response.headersSent) refuse(response, 503, 'the store cannot be reached; some sessions may have ended')
    }
  }
}

async function* lines(first: IteratorResult<object, void>, rest: AsyncIterable<object>): AsyncGenerator<string> {
  if (first.done) return
  yield `${JSON.stringify(first.value)}\n`
  for await (const one of rest) yield `${JSON.stringify(one)}\n`
}

function whichOf(query: URLSearchParams): WhichSessions | null {
  const [[name, value] = [], second] = [...query]
  if (second !== undefined || value === undefined || value === '') return null
  if (name === 'all') return value === 'true' ? 'all' : null
  if (name === 'sub') return { sub: value }
  return name === 'sid' ? { sid: value } : null
}

function refuse(response: ServerResponse, status: number, error: string): void {
  sendJson(response, status, { error })
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
