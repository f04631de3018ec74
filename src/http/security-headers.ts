import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'

/** Sets the security headers of one kind of answer. */
export type SetHeaders = (request: IncomingMessage, response: ServerResponse) => void

/** Headers by kind of answer, everything computed once. */
export function createSecurityHeaders(
  publicUrl: string,
  pageStyleHash: string,
): { spa: SetHeaders; endpoints: SetHeaders } {
  // On a loopback name HSTS would break every other local server for a year.
  const strictTransportSecurity = publicUrl.startsWith('https:')
  const common = { strictTransportSecurity, referrerPolicy: { policy: 'same-origin' as const } }
  return {
    spa: apply({
      ...common,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'"],
          imgSrc: ["'self'", 'data:', 'https:'],
          objectSrc: ["'none'"],
          baseUri: ["'self'"],
          formAction: ["'self'"],
          frameAncestors: ["'none'"],
        },
      },
      xFrameOptions: { action: 'deny' },
    }),
    endpoints: apply({
      ...common,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          styleSrc: [pageStyleHash],
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      xFrameOptions: { action: 'deny' },
    }),
  }
}

function apply(options: Parameters<typeof helmet>[0]): SetHeaders {
  const set = helmet(options)
  return (request, response) => set(request, response, () => undefined)
}
