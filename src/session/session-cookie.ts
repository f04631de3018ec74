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
import { refOf } from './reference.ts'
import type { SessionFacts } from './session-record.ts'
import { sessionRecord } from './session-record.ts'
import { signedCookie, verifiedId } from './signed-cookie.ts'

declare module 'express-session' {
  interface SessionData {
    facts: SessionFacts
  }
  interface Cookie {
    /** A Set-Cookie line with the attributes of the record. */
    serialize(name: string, value: string): string
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
  /** Sends the cookie again, signed by the first secret, if an older one signed it: the same session, the same attributes. */
  renew(request: WithSession, response: ServerResponse): void
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
  const [newest] = keys
  if (newest === undefined) throw new TypeError('a session cookie needs a secret')

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
    renew(request, response) {
      const [value = ''] = readCookies(request.headers.cookie).get(jar.sessionName) ?? []
      if (verifiedId(value, [newest]) !== null) return
      const signed = signedCookie(request.sessionID, newest)
      response.appendHeader('set-cookie', request.session.cookie.serialize(jar.sessionName, signed))
    },
    remove(request, response) {
      // The record is gone already; express-session must neither look for it nor set the cookie again.
      request.session.destroy(() => undefined)
      response.appendHeader('set-cookie', jar.deletedSession())
      // A browser whose session a logout could end has kept its cookie.
      response.appendHeader('set-cookie', jar.deletedShort(jar.finishedName))
    },
  }
}

/** connect-redis over either store, under our keys: the session id itself is in no store. */
class RefStore extends RedisStore {
  constructor(records: SessionRecords, ttlSeconds: number) {
    const set: SessionRecords['set'] = async (...record) => {
      const is = await records.set(...record)
      // Ended between its beginning and here, as by a logout at the provider: there is nothing to hand a cookie out for.
      if (is === 'gone') throw new BffError('login_failed')
      return is
    }
    const client = { ...records, set } as unknown as ConstructorParameters<typeof RedisStore>[0]['client'] // it calls these four only
    super({ client, prefix: '', ttl: () => ttlSeconds, disableTouch: true, serializer: sessionRecord })
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

function storeFailure(error: unknown): BffError {
  return error instanceof BffError ? error : new BffError('store_unreachable', { cause: error, retryAfterSeconds: 1 })
}
