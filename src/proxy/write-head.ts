import type { ServerResponse } from 'node:http'
import type { ResponseHeaders } from './headers.ts'

/** Begins the answer to a client. @param headers as the route's rules have left them; ours to change */
export function writeHead(response: ServerResponse, status: number, headers: ResponseHeaders): void {
  // RFC 9110, section 8.6: whoever believed it would take what comes next for the body.
  if (status === 204) delete headers['content-length']
  const cookies = headers['set-cookie']
  if (cookies !== undefined && response.hasHeader('set-cookie')) {
    // Those that an embedder has set are not the upstream's to replace.
    delete headers['set-cookie']
    response.appendHeader('set-cookie', cookies)
  }
  response.writeHead(status, headers)
}
