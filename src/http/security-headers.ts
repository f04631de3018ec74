import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'
import type { Options } from '../options.ts'

/** Sets the security headers of one kind of answer. */
export type SetHeaders = (request: IncomingMessage, response: ServerResponse) => void

/** Headers by kind of answer, everything computed once. Proxied answers have theirs from `proxy/headers.ts`. */
export interface SecurityHeaders {
  /** For our own endpoints, and for every error answer: there is nothing in them but text and our one style sheet. */
  endpoints: SetHeaders
  /** For the SPA's files. */
  spa: SetHeaders
  /**
   * The content security policy of a document of the SPA.
   * @param inline hashes of what it may run and apply although it stands in the document itself
   */
  documentPolicy(inline: { scripts: readonly string[]; styles: readonly string[] }): string
}

export function createSecurityHeaders(
  { publicUrl, spaSources }: Pick<Options, 'publicUrl' | 'spaSources'>,
  pageStyleHash: string,
): SecurityHeaders {
  // On a loopback name HSTS would break every other local server for a year.
  const strictTransportSecurity = publicUrl.startsWith('https:')
  const common = { strictTransportSecurity, xFrameOptions: { action: 'deny' as const } }
  const endpointPolicy = policyText({
    'default-src': ["'none'"],
    'style-src': [pageStyleHash],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  })
  const documentPolicy: SecurityHeaders['documentPolicy'] = ({ scripts, styles }) => {
    const sources: Record<string, readonly string[]> = {
      'default-src': ["'self'"],
      'script-src': ["'self'", ...scripts],
      // Beside a hash browsers do not see 'unsafe-inline', which covers what the hashes do.
      'style-src': ["'self'", ...(spaSources['style-src']?.includes("'unsafe-inline'") ? [] : styles)],
      'img-src': ["'self'", 'data:', 'blob:', 'https:'],
      'font-src': ["'self'", 'data:'],
      'media-src': ["'self'", 'data:', 'blob:'],
      'worker-src': ["'self'", 'blob:'],
      'connect-src': ["'self'"],
      'frame-src': ["'self'"],
      'object-src': ["'none'"],
      'base-uri': ["'self'"],
      'form-action': ["'self'"],
      'frame-ancestors': ["'none'"],
    }
    for (const [name, more] of Object.entries(spaSources)) sources[name] = [...(sources[name] ?? []), ...more]
    return policyText(sources)
  }

  return {
    endpoints: createSetter(endpointPolicy, {
      ...common,
      // Addresses of ours hold codes and states.
      referrerPolicy: { policy: 'no-referrer' },
    }),
    spa: createSetter(documentPolicy({ scripts: [], styles: [] }), {
      ...common,
      // Protects from whoever opens us; the windows that the app itself opens may still answer it.
      crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' },
      referrerPolicy: { policy: 'same-origin' },
    }),
    documentPolicy,
  }
}

function createSetter(policy: string, options: Parameters<typeof helmet>[0]): SetHeaders {
  const set = helmet({ ...options, contentSecurityPolicy: false })
  return (request, response) => {
    response.setHeader('Content-Security-Policy', policy)
    set(request, response, () => undefined)
  }
}

function policyText(sources: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(sources)
    .map((directive) => directive.flat().join(' '))
    .join('; ')
}
