import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^`|~-]+$/, 'is not a header name (underscores are not accepted)')
  .transform((name) => name.toLowerCase())
const headerValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'must be visible ASCII')
const cookieNames = z.array(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is not a cookie name')).default([])
const seconds = z.number().positive().max(86_400)

/** Each connection's own (RFC 9110, section 7.6.1), or what a body is measured by. */
const framing = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']
const neverSet = [...framing, 'content-length', 'expect']
/** Facts that upstreams are told by us. */
const facts = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']
/** Leave for another origin to read an answer, and a cookie under any name: no answer of ours has them. */
const neverAnswered = ['access-control-allow-origin', 'access-control-allow-credentials', 'set-cookie']

const resource = z.string().refine((value) => parseUrl(value)?.hash === '' && !value.includes('#'), {
  error: 'must be an absolute URI without a fragment', // RFC 8707, section 2
})
const tokenTarget = z
  .strictObject({
    resource: resource.optional(),
    audience: z.string().min(1).optional(),
    scope: z.string().min(1).optional(),
  })
  .refine((named) => Object.keys(named).length > 0, 'must name a resource, an audience or a scope')
  .optional()

const headerChanges = (notToSet: readonly string[]) => {
  const settable = headerName.refine((name) => !notToSet.includes(name), 'is not for configuration to set')
  return z
    .strictObject({
      set: z.record(settable, headerValue).default({}),
      remove: z.array(headerName).default([]),
    })
    .prefault({})
}

const fields = z.strictObject({
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
      } else if (url.pathname !== writtenPath(value) || url.pathname.includes('//')) {
        context.addIssue('has a path that could be read in two ways')
      }
    })
    .describe('origin and base path that take the place of `path`'),
  methods: z
    .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']))
    .min(1)
    .optional()
    .describe('what is forwarded; anything but TRACE and CONNECT unless set'),
  token: z
    .enum(['user', 'optional', 'client', 'none'])
    .default('user')
    .describe(
      "whose access token is put on: the `user`'s; `optional`: theirs if there is a session; the `client`'s own, for whoever has a session; or `none`",
    ),
  scope: z.string().optional().describe('what the user must have been granted, separated by spaces'),
  accessToken: tokenTarget.describe('what an access token of its own is for: `resource`, `audience`, `scope`'),
  exchange: tokenTarget.describe('the same, in exchange for the access token of the session'),
  antiForgery: z
    .enum(['header', 'fetch-metadata'])
    .default('header')
    .describe('`fetch-metadata` also accepts `Sec-Fetch-Site: same-origin` in place of the header'),
  webSocket: z.boolean().default(false).describe('whether WebSockets may be opened; they close with the session'),
  streamsExtend: z
    .boolean()
    .default(false)
    .describe('whether what passes on WebSockets and event streams keeps the session from running out, as requests do'),
  encodedSlash: z
    .boolean()
    .default(false)
    .describe('whether `%2F` may be in the path, which upstreams read differently'),
  maxBodyBytes: z.int().min(0).optional().describe('longer request bodies are refused'),
  timeouts: z
    .strictObject({ connect: seconds.optional(), firstByte: seconds.optional(), idle: seconds.optional() })
    .prefault({})
    .describe(
      'seconds: to connect (3), to the first byte (60), between two chunks of a body (300; for event streams and WebSockets only if set)',
    ),
  forwardCookies: cookieNames.describe('cookies that go to the upstream, by name; never ours'),
  responseCookies: cookieNames.describe('cookies that the upstream may set, by name; never ours'),
  requestHeaders: headerChanges([...neverSet, ...facts]).describe(
    'headers to `set` and to `remove` on the way to the upstream',
  ),
  responseHeaders: headerChanges([...neverSet, ...neverAnswered]).describe(
    'headers to `set` and to `remove` on the way back',
  ),
  tls: z
    .strictObject({ ca: z.string().optional(), cert: z.string().optional(), key: z.string().optional() })
    .superRefine((files, context) => {
      for (const problem of tlsProblems(files)) context.addIssue(problem)
    })
    .optional()
    .describe('PEM files: authority that the upstream is trusted by, our certificate and its key'),
})

/** One entry of `routes`: what is forwarded where, and on which conditions. */
export const routeSchema = fields
  .refine(({ token, requestHeaders: { set } }) => token === 'none' || set['authorization'] === undefined, {
    error: 'sets authorization, where the access token goes',
  })
  .refine(({ forwardCookies, requestHeaders: { set } }) => forwardCookies.length === 0 || set['cookie'] === undefined, {
    error: 'sets cookie, where forwardCookies go',
  })

/** The path of an http URL as it stands there; a parser resolves it, and spells hosts and ports in ways of its own. */
function writtenPath(url: string): string {
  return url.replace(/^https?:\/\/[^/\\?#\s]*/i, '') || '/'
}

/** `null` for what is no absolute URL. */
export function parseUrl(value: string): URL | null {
  return URL.canParse(value) ? new URL(value) : null
}

/** What else the first request would find. */
function tlsProblems(files: { [name in 'ca' | 'cert' | 'key']?: string | undefined }): string[] {
  const pem: { [name: string]: string } = {}
  for (const [name, path] of Object.entries(files)) {
    if (path === undefined) continue
    try {
      pem[name] = readFileSync(path, 'utf8')
    } catch {
      return [`${path} cannot be read`]
    }
  }
  if ((files.cert === undefined) !== (files.key === undefined)) return ['needs both cert and key, or neither']
  const { ca, ...ours } = pem
  return [
    ...(ca !== undefined && throws(() => new X509Certificate(ca)) ? [`${files.ca} is no certificate in PEM`] : []),
    ...(throws(() => createSecureContext(ours))
      ? [`${files.cert} and ${files.key} are no certificate and its key`]
      : []),
  ]
}

function throws(attempt: () => unknown): boolean {
  try {
    attempt()
    return false
  } catch {
    return true
  }
}
