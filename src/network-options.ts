import { isIP, isIPv4 } from 'node:net'
import { z } from 'zod'
import { loopbackNames } from './provider-options.ts'
import { parseUrl } from './route-options.ts'

/** Where the browser finds us. */
export const origin = z.string().superRefine((value, context) => {
  const url = parseUrl(value)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    context.addIssue('must be an origin, such as https://app.example.com')
  } else if (value !== url.origin) {
    context.addIssue(`must be an origin without path or trailing slash, such as ${url.origin}`)
  } else if (url.protocol === 'http:' && !loopbackNames.has(url.hostname)) {
    context.addIssue('must be https; http is accepted on localhost, 127.0.0.1 and [::1] only')
  }
})

/** Where Redis is, in a form that its client does not throw at. */
export const redisUrl = z.string().superRefine((value, context) => {
  const url = parseUrl(value)
  if (!/^rediss?:\/\//.test(value)) {
    context.addIssue('must begin with redis:// or rediss://')
  } else if (url === null || !isPercentEncoded(url.username + url.password)) {
    context.addIssue('is not a URL; in a password write % as %25, # as %23 and / as %2F')
  } else if (!/^\/?\d*$/.test(url.pathname)) {
    context.addIssue('has a path that is not the number of a database')
  }
})

/** As Express's `trust proxy`. */
export const trustProxy = z.union(
  [
    z.boolean(),
    z.int().min(0),
    z
      .string()
      .refine((list) => namesIn(list).every(isTrustable))
      .transform((list) => namesIn(list).join(',')),
  ],
  { error: 'must be true, false, a number of proxies, or their addresses and subnets, separated by commas' },
)

/** The entries of a list, separated by commas. */
export function namesIn(list: string): string[] {
  return list.split(',').map((name) => name.trim())
}

/** Whether Express would take it for an entry of the list; it throws at anything else. */
function isTrustable(entry: string): boolean {
  const [address = '', range, ...more] = entry.split('/')
  if (isIP(address) === 0) return /^(loopback|linklocal|uniquelocal)$/.test(entry)
  if (range === undefined || more.length > 0) return range === undefined
  const isMask = isIPv4(address) && isIPv4(range) && /^1+0*$/.test(bitsOf(range))
  return isMask || (/^\d+$/.test(range) && Number(range) > 0 && Number(range) <= (isIPv4(address) ? 32 : 128))
}

function bitsOf(ipv4: string): string {
  const octets = ipv4.split('.').map((octet) => Number(octet).toString(2).padStart(8, '0'))
  return octets.join('')
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
