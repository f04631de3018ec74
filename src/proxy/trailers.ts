import type { IncomingMessage } from 'node:http'

/** Whether a client has said that it takes what comes behind a body (RFC 9110, section 6.5.1). */
export function wantsTrailers({ headers }: IncomingMessage): boolean {
  return takesTrailers.test(String(headers.te ?? ''))
}

const takesTrailers = /(^|,)\s*trailers\s*(,|;|$)/i

/**
 * Whether a field, its name in lower case, can still mean something behind a body: not what had to be known before it
 * (RFC 9110, section 6.5.1). Says nothing of what may not reach a browser in a head either.
 */
export function canTrail(name: string): boolean {
  return !tooLate.has(name) && !name.startsWith('if-') && (!name.startsWith('content-') || name === 'content-digest')
}

/** Beside those that begin like the length, the format and the policy of the content, and like conditions. */
const tooLate = new Set([
  // routing, and other modifiers of a request
  'host',
  'max-forwards',
  'range',
  // authentication and cookies
  'authorization',
  'authentication-info',
  'proxy-authentication-info',
  'cookie',
  // control of a response
  'age',
  'cache-control',
  'date',
  'expires',
  'location',
  'pragma',
  'refresh',
  'retry-after',
  'vary',
  'warning',
])
