import type { IncomingMessage, ServerResponse } from 'node:http'
import { closeBehind } from '../http/linger.ts'
import { demandUnread } from '../http/unread-body.ts'
import { type Endpoint, type EndpointParts, sendJson } from './endpoint.ts'

/** A logout token is a few hundred bytes; one with long names is still far from this. */
const maxBodyBytes = 65_536

/** Tokens from one address that may be refused in a minute. */
export const refusedPerMinute = 300

/** The provider says whom it has logged out (OpenID Connect Back-Channel Logout 1.0, section 2.5). */
export function backchannel({ providerLogout, say }: EndpointParts): Endpoint {
  return async (request, response) => {
    demandUnread(request, say)
    const form = await readForm(request)
    const [logoutToken, second] = form?.getAll('logout_token') ?? []
    if (logoutToken === undefined || second !== undefined) {
      return refuse(request, response, 'The request must be a form with one logout_token.')
    }
    if (!(await providerLogout.byToken(logoutToken))) {
      return refuse(request, response, 'The logout token is not valid.')
    }
    response.end()
  }
}

/** The fields of a form, `null` for anything else, for half of one, for a repeated field, and for more than there can be. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | null> {
  const [type = ''] = request.headers['content-type']?.split(';') ?? []
  if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded') return null
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length
      if (bytes > maxBodyBytes) return null
      chunks.push(chunk)
    }
  } catch {
    return null // whoever sent it has left
  }
  const form = new URLSearchParams(Buffer.concat(chunks).toString())
  return new Set(form.keys()).size === form.size ? form : null
}

/** Section 2.8. */
function refuse(request: IncomingMessage, response: ServerResponse, description: string): void {
  // What is left of the body would be taken for the next request.
  if (!request.complete) closeBehind(response)
  response.statusCode = 400
  sendJson(response, { error: 'invalid_request', error_description: description })
}
