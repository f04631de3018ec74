import { createHmac } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import { type AugmentedRequest, ipKeyGenerator, rateLimit } from 'express-rate-limit'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import { deriveKey } from '../secrets.ts'
import type { Hits, Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'

const windowMs = 60_000

/**
 * How often one address may do something in a minute; of IPv6 a whole /56, which is what one customer gets. Express'
 * `trust proxy` says whose address it is. Counts are shared by all nodes, under keyed hashes of addresses. While the
 * store cannot count, everything goes through. What is too much is refused with BffError `too_many_requests`.
 */
export interface RateLimits {
  /** Counts every request. @param name of the limit, in keys and in the log */
  ofRequests(name: string, perMinute: number): RequestHandler
  /**
   * Counts what `answer` has answered with 4xx alone, whether or not anybody waits for the answer: whoever does nothing wrong may do
   * it any number of times, and at once.
   */
  ofRefusals(name: string, perMinute: number, answer: Answer): RequestHandler
}

/** Answers a request, or throws what stops it. */
type Answer = (request: Request, response: Response) => Promise<void>

export function createRateLimits({ sessionSecret }: Options, store: Store, say: Say): RateLimits {
  const [secret] = sessionSecret
  if (secret === undefined) throw new TypeError('a rate limit needs a secret')
  const hashKey = deriveKey(secret, 'rate limit')
  const keyOf = ({ ip = '' }: Request) =>
    createHmac('sha256', hashKey)
      .update(ipKeyGenerator(withoutPort(ip)))
      .digest('base64url')

  return {
    ofRequests(name, perMinute) {
      return rateLimit({
        windowMs,
        limit: perMinute,
        store: store.hits(name),
        keyGenerator: keyOf,
        passOnStoreError: true,
        legacyHeaders: false,
        validate: false, // it would write to the console what it thinks of `trust proxy`
        logger: { error: (error) => say('rate_limit_failed', { limit: name }, error), warn: () => undefined },
        handler(request, _response, next) {
          const info = (request as AugmentedRequest)['rateLimit'] // put there just now
          if (info?.used === perMinute + 1) say('rate_limit_reached', { limit: name })
          next(tooMany(info?.resetTime))
        },
      })
    },

    ofRefusals(name, perMinute, answer) {
      const hits = store.hits(name)
      hits.init({ windowMs })
      const failed = (error: unknown) => say('rate_limit_failed', { limit: name }, error)
      async function count(key: string) {
        const { totalHits } = await hits.increment(key)
        if (totalHits === perMinute) say('rate_limit_reached', { limit: name })
      }
      async function hitsOf(key: string): Promise<Hits | undefined> {
        try {
          return await hits.get(key)
        } catch (error) {
          failed(error)
        }
      }
      return async (request, response, next) => {
        const key = keyOf(request)
        const known = await hitsOf(key)
        if (known !== undefined && known.totalHits >= perMinute) return next(tooMany(known.resetTime))
        // Not when the response has been sent: who leaves before that would not be counted.
        await answer(request, response)
        if (response.statusCode >= 400 && response.statusCode < 500) count(key).catch(failed)
      }
    },
  }
}

/** Some proxies (Azure Application Gateway, IIS) say the client's port too: with each connection it would be somebody else. */
function withoutPort(address: string): string {
  return address.replace(/^(?:([\d.]+)|\[(.+)\]):\d+$/, '$1$2')
}

function tooMany(resetTime: Date | undefined): BffError {
  const leftMs = resetTime === undefined ? windowMs : resetTime.getTime() - Date.now()
  return new BffError('too_many_requests', { retryAfterSeconds: Math.max(Math.ceil(leftMs / 1000), 1) })
}
