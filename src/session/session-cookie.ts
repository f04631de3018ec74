import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { RedisStore } from 'connect-redis'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import { readCookies } from '../cookie-header.ts'
import { BffError } from '../errors.ts'
import type { Options } from '../options.ts'
import { remembering } from '../remember.ts'
import { deriveKey } from '../secrets.ts'
import type { SessionRecords } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { CookieJar } from './cookie-jar.ts'
import { refOf, sameText } from './reference.ts'
import type { SessionFacts } from './sessions.ts'

declare module 'express-session' {
  interface SessionData {
    facts: SessionFacts
  }
}

/** A request that has passed `middleware`. */
export type WithSession = IncomingMessage & Pick<Request, 'session' | 'sessionID' | 'sessionStore'>

/**
 * The one file that reads and writes the session cookie. express-session serves our own endpoints; the proxied path
 * asks for `ref` alone, without a session object and without a write when the response ends.
 */
export interface SessionCookie {
  readonly middleware: RequestHandler
  /**
   * The session a request's cookie names, `null` for none or a forged one.
   * @throws BffError `bad_request` for two cookies of our name: one of them was planted
   */
  ref(request: IncomingMessage): string | null
  /** What the session record says, `null` when there is none. */
  facts(request: WithSession): SessionFacts | null
  /**
   * Gives the browser a new session id, once the session has been made under it and its record is written. Nothing of
   * an earlier session stays. On failure the browser keeps the cookie it has.
   * @throws whatever `make` throws, BffError `store_unreachable`
   */
  begin(request: WithSession, make: (ref: string) => Promise<SessionFacts>): Promise<void>
  /** Takes the cookie away. */
  remove(request: WithSession, response: ServerResponse): void
}

/** A verified signature stays verified; this many cookies need not be hashed again. */
const rememberedCookies = 10_000

/** How much longer a session record lives than the session: without a token record it is an ended session. */
const recordGraceSeconds = 3600

export function createSessionCookie(
  options: Options,
  jar: CookieJar,
  records: SessionRecords,
  say: Say,
): SessionCookie {
  const keys = options.sessionSecret.map((secret) => deriveKey(secret, 'session cookie').toString('base64url'))

  function hostile(): BffError {
    say('hostile_cookie')
    return new BffError('bad_request')
  }

  const refOfCookie = remembering(rememberedCookies, (cookie) => {
    const id = verifiedId(cookie, keys)
    return id === null ? null : refOf(id)
  })

  const ref: SessionCookie['ref'] = (request) => {
    const [value, second] = readCookies(request.headers.cookie).get(jar.sessionName) ?? []
    if (second !== undefined) throw hostile()
    return value === undefined ? null : refOfCookie(value)
  }

  const handle = session({
    name: jar.sessionName,
    secret: keys,
    store: new RefStore(records, options.absoluteTimeoutSeconds + recordGraceSeconds),
    cookie: jar.sessionAttributes,
    // A session is written when a login says so, never because a request came to its end.
    resave: false,
    saveUninitialized: false,
  })

  return {
    middleware(request, response, next) {
      // express-session asks the request whether it is secure; behind a proxy only the configuration knows.
      Object.defineProperty(request, 'secure', { value: jar.sessionAttributes.secure, configurable: true })
      handle(request, response, (error?: unknown) => {
        if (error !== undefined) next(storeFailure(error))
        else if (request.session === undefined) next(storeFailure(new Error('the session store is disconnected')))
        // express-session is less exact about a cookie's name than we are, and may have found another one.
        else if (request.session.facts !== undefined && refOf(request.sessionID) !== ref(request)) next(hostile())
        else next()
      })
    },
    ref,
    facts: (request) => request.session.facts ?? null,
    async begin(request, make) {
      // Not `regenerate`, which deletes the old session first: if this login fails, that one goes on.
      request.sessionStore.generate(request)
      const { session: fresh } = request
      try {
        fresh.facts = await make(refOf(request.sessionID))
        await promisify(fresh.save).call(fresh)
      } catch (error) {
        // Without a session object express-session sets no cookie.
        Reflect.deleteProperty(request, 'session')
        throw storeFailure(error)
      }
      // It is written; express-session would write it again when the response ends.
      Object.defineProperty(fresh, 'save', { value: (done: () => void) => done() })
    },
    remove(request, response) {
      // The record is gone already; express-session must neither look for it nor set the cookie again.
      request.session.destroy(() => undefined)
      response.appendHeader('set-cookie', jar.deletedSession())
    },
  }
}

/** connect-redis over either store, under our keys: the session id itself is in no store. */
class RefStore extends RedisStore {
  constructor(records: SessionRecords, ttlSeconds: number) {
    const client = records as unknown as ConstructorParameters<typeof RedisStore>[0]['client'] // it calls these four only
    super({ client, prefix: '', ttl: () => ttlSeconds, disableTouch: true, serializer })
  }
  override get(id: string, done?: (error: unknown, data?: session.SessionData | null) => void) {
    return super.get(refOf(id), done)
  }
  override set(id: string, data: session.SessionData, done?: (error?: unknown) => void) {
    return super.set(refOf(id), data, done)
  }
  override destroy(id: string, done?: (error?: unknown) => void) {
    return super.destroy(refOf(id), done)
  }
}

/** What a session record says of its user, `null` when it cannot be read. */
export function factsIn(record: string): SessionFacts | null {
  return serializer.parse(record)?.facts ?? null
}

/** A record that is not as we write it, of another version or none at all, is no session. */
const serializer = {
  stringify: JSON.stringify,
  parse(text: string): session.SessionData {
    try {
      const { cookie, facts } = JSON.parse(text)
      const known = typeof cookie?.path === 'string' && typeof facts?.claims?.sub === 'string'
      if (known && typeof facts.endsAt === 'number') return { cookie, facts }
    } catch {
      // Not even JSON.
    }
    return null as unknown as session.SessionData // connect-redis hands it on, where null means that there is none
  },
}

/** The format of express-session: `s:<id>.<HMAC-SHA-256 of id, base64 without padding>`, percent-encoded. */
function verifiedId(cookie: string, keys: readonly string[]): string | null {
  const value = decode(cookie)
  const dot = value.lastIndexOf('.')
  if (!value.startsWith('s:') || dot < 0) return null
  const id = value.slice(2, dot)
  const signature = value.slice(dot + 1)
  const signed = (key: string) => createHmac('sha256', key).update(id).digest('base64').replace(/=+$/, '')
  return keys.some((key) => sameText(signed(key), signature)) ? id : null
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

function storeFailure(error: unknown): BffError {
  return error instanceof BffError ? error : new BffError('store_unreachable', { cause: error, retryAfterSeconds: 1 })
}
