import { z } from 'zod'

/** One entry of `routes`: what is forwarded where, and on which conditions. */
export const routeSchema = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'must be a path of plain segments without a trailing slash, such as /api')
    .refine((path) => !path.split('/').some((segment) => segment === '.' || segment === '..'), 'has a dot segment')
    .describe('requests under this path are forwarded; the longest match by whole segments wins'),
  upstream: z
    .string()
    .superRefine((value, context) => {
      const url = parseUrl(value)
      if (url === null || !/^https?:$/.test(url.protocol)) context.addIssue('must be an http or https URL')
      else if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
        context.addIssue('must be an origin and a base path, nothing else')
      } else if (value.includes('\\') || (url.pathname !== '/' && url.pathname !== value.slice(url.origin.length))) {
        context.addIssue('has a path that does not stay as it is written')
      }
    })
    .describe('origin and base path that take the place of `path`'),
  antiForgery: z
    .enum(['header', 'fetch-metadata'])
    .default('header')
    .describe('`fetch-metadata` also accepts `Sec-Fetch-Site: same-origin` in place of the header'),
})

/** `null` for what is no absolute URL. */
export function parseUrl(value: string): URL | null {
  return URL.canParse(value) ? new URL(value) : null
}
