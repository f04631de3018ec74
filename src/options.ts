import { z } from 'zod'
import { contradictions } from './contradictions.ts'
import { ConfigurationError } from './errors.ts'
import { namesIn, origin, redisUrl, trustProxy } from './network-options.ts'
import { providerShape } from './provider-options.ts'
import { routeSchema } from './route-options.ts'
import { spaSourcesSchema } from './spa-sources.ts'
import { timingSchema } from './timing.ts'

const secondsLimit = 10 * 365 * 24 * 3600
const seconds = () => z.int().positive().max(secondsLimit)
const port = () => z.int().min(0).max(65_535)

const sessionSecret = z
  .union([z.string().transform(namesIn), z.array(z.string())])
  .refine((list) => list.length > 0 && list.every((secret) => Buffer.byteLength(secret) >= 32), {
    error: 'every secret needs at least 32 bytes; make one with: coatcheck keys generate',
  })

const shape = {
  publicUrl: origin.describe('origin the browser sees; decides cookie security and redirect_uri'),
  port: port().default(3000).describe('port to listen on'),
  host: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  adminPort: port().optional().describe('port of its own for `/livez` and `/readyz`'),
  adminSecret: z
    .string()
    .regex(/^[\x21-\x7e]{32,}$/, 'needs at least 32 characters without spaces')
    .optional()
    .describe('bearer token for `/sessions` on that port'),
  ...providerShape,
  claims: z
    .union([z.string().transform(namesIn), z.array(z.string())])
    .refine((names) => names.every((name) => name !== '' && name !== '__proto__'), 'has a name that cannot be a claim')
    .prefault('sub,name,email,picture,preferred_username')
    .describe('claims handed to the SPA'),
  sessionSecret: sessionSecret.describe('comma-separated; the first signs and seals, all open'),
  store: z
    .enum(['redis', 'memory'])
    .optional()
    .describe('where sessions live: `redis` when `redisUrl` is set, else `memory`, which production has to ask for'),
  redisUrl: redisUrl.optional().describe('`redis://` or `rediss://`'),
  redisPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]+$/, 'may hold letters, digits and _ . : - only')
    .default('bff')
    .describe('first part of every key and channel'),
  redisWaitReplicas: z
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe('replicas that a rotation and a logout wait for, so that a failover loses neither'),
  routes: z.array(routeSchema).min(1, 'needs at least one route').describe('what is forwarded where, JSON'),
  spa: z.string().min(1).optional().describe('directory of a built SPA'),
  spaSources: spaSourcesSchema.describe('what else the SPA may load and ask, by directive of its CSP, JSON'),
  basePath: z
    .string()
    .regex(/^(\/[A-Za-z0-9_-]+)+$/, 'must be a path such as /bff')
    .default('/bff')
    .describe('where our endpoints are'),
  cookieName: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'may hold letters, digits, _ and - only')
    .default('bff')
    .describe('session cookie; `cookiePrefix` is put in front on https'),
  cookiePrefix: z
    .enum(['__Host-', '__Host-Http-'])
    .default('__Host-')
    .describe('`__Host-` or `__Host-Http-`: what browsers check the cookie by'),
  cookieSameSite: z
    .enum(['Strict', 'Lax'])
    .default('Strict')
    .describe('SameSite of the session cookie, `Strict` or `Lax`'),
  trustProxy: trustProxy.default(false).describe("whose `X-Forwarded-For` is believed, as Express's `trust proxy`"),
  crossSiteLogin: z
    .boolean()
    .default(true)
    .describe('whether a link on another site, or in a mail that is read there, may start a login'),
  loginsPerMinute: z
    .int()
    .positive()
    .default(2000)
    .describe('logins that one address (of IPv6 a /56) may begin within a minute, and as many that it may end'),
  refreshBeforeSeconds: seconds()
    .default(30)
    .describe('refresh in the background when less is left (never more than half of the life)'),
  defaultTokenSeconds: seconds().default(300).describe('life of an access token that came without `expires_in`'),
  idleTimeoutSeconds: seconds().default(1800).describe('a session ends when unused for so long'),
  absoluteTimeoutSeconds: seconds().default(36_000).describe('a session ends after so long, used or not'),
  remember: z
    .boolean()
    .default(false)
    .describe('whether the session cookie outlives the browser, for as long as the session may'),
  maxSessionsPerUser: z.int().min(1).optional().describe('sessions a user may have; a login beyond ends the oldest'),
  workers: z.int().min(1).max(256).default(1).describe('processes that share the port; more than 1 needs Redis'),
  timing: timingSchema.describe('internal deadlines in milliseconds, JSON'),
}

const schema = z.strictObject(shape).transform((options) => ({
  ...options,
  store: options.store ?? (options.redisUrl === undefined ? 'memory' : 'redis'),
}))

/** What `createBff` takes, and what the config file holds. */
export type BffOptions = z.input<typeof schema>

/** The same with every default filled in. */
export type Options = z.output<typeof schema>

export type Route = Options['routes'][number]

/** Name, sentence and default of every option, for `--help` and for the README's table. */
export const optionDocs = Object.entries(shape).map(([name, type]) => documented(name, type))

/** The same for a route. */
export const routeDocs = Object.entries(routeSchema.shape).map(([name, type]) => documented(name, type))

function documented(name: string, type: z.ZodType) {
  // What a type makes of nothing at all is its default.
  const absent = type.safeParse(undefined)
  return { name, default: absent.data, required: !absent.success, sentence: type.description ?? '' }
}

/**
 * Checks options and fills in defaults.
 * @throws ConfigurationError naming every problem at once
 */
export function parseOptions(input: unknown, facts: { production: boolean }): Options {
  const parsed = schema.safeParse(input, {
    error: ({ input: value }) => (value === undefined ? 'required' : undefined),
  })
  const found = parsed.success ? [] : parsed.error.issues.flatMap(sentences)
  const given = typeof input === 'object' ? input : {}
  found.push(
    ...contradictions(
      { port: shape.port.parse(undefined), basePath: shape.basePath.parse(undefined), ...given },
      facts,
    ),
  )
  if (!parsed.success || found.length > 0) throw new ConfigurationError(found)
  return parsed.data
}

function sentences(issue: z.core.$ZodIssue): string[] {
  const at = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${at ? `${at}.` : ''}${key}: unknown option`)
  // The reason why a key of a record is refused stands one level below.
  const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message
  return [`${at || 'options'}: ${message}`]
}
