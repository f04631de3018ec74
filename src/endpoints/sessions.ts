import { BffError } from '../errors.ts'
import type { SessionFacts } from '../session/session-record.ts'
import type { SessionsBody } from '../wire.ts'
import { type Endpoint, type EndpointParts, pathParameter, sendJson } from './endpoint.ts'

/** The user's own sessions, in all browsers. */
export function listSessions({ cookie, userSessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const { ref, facts } = asking(cookie, request)
    const body: SessionsBody = { sessions: await userSessions.list(ref, facts) }
    sendJson(response, body)
  }
}

/** Ends one of the user's own sessions. */
export function endSession({ cookie, userSessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const { ref, facts } = asking(cookie, request)
    const ended = await userSessions.end(ref, facts, pathParameter(request))
    if (ended === null) throw new BffError('no_route')
    if (ended === 'this') cookie.remove(request, response)
    response.writeHead(204).end()
  }
}

/** Ends the user's sessions in all other browsers. */
export function endOtherSessions({ cookie, userSessions }: EndpointParts): Endpoint {
  return async (request, response) => {
    const { ref, facts } = asking(cookie, request)
    await userSessions.endOthers(ref, facts)
    response.writeHead(204).end()
  }
}

/** @throws BffError `no_session` */
function asking(
  cookie: EndpointParts['cookie'],
  request: Parameters<Endpoint>[0],
): { ref: string; facts: SessionFacts } {
  const ref = cookie.ref(request)
  const facts = cookie.facts(request)
  if (ref === null || facts === null) throw new BffError('no_session')
  return { ref, facts }
}
