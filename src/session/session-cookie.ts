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

/**
 * The one file that reads and writes the session cookie. express-session serves our own endpoints; the proxied path
 * asks for `ref` alone, without a session object and without a write when the response ends.
 */
export interface SessionCookie {
  /** To run before `facts`, `begin`, `renew` and `remove`. */
  readonly middleware: RequestHandler
  /**
   * The session a request's cookie names, `null` for none or a forged one.
   * @throws BffError `bad_request` for two cookies of our name: one of them was planted
   */
  ref(request: IncomingMessage): string | null
  /** What the session record says, `null` when there is none. */
  facts(request: IncomingMessage): SessionFacts | null
  /**
   * Gives the browser a new session id, once the session has been made under it and its record is written. Nothing of
   * an earlier session stays. On failure the browser keeps the cookie it has.
   * @throws whatever `make` throws, BffError `store_unreachable`
   */
  begin(request: IncomingMessage, make: (ref: string) => Promise<SessionFacts>): Promise<void>
  /** Sends the cookie again, signed by the first secret, if an older one signed it: the same session, the same attributes. */
  renew(request: IncomingMessage, response: ServerResponse): void
  /** Takes the cookie away. */
  remove(request: IncomingMessage, response: ServerResponse): void
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

  /**
   * What express-session is shown of a request, and where it puts the session. On the request itself may be one of the program
   * that we are part of: express-session would take that for ours, and our session id would go out by that one's cookie.
   */
  const views = new WeakMap<IncomingMessage, Request>()

  function viewOf(request: IncomingMessage): Request {
    const view = views.get(request)
    if (view === undefined) throw new TypeError('the session was not read')
    return view
  }

  return {
    middleware(request, response, next) {
      const { headers, url } = request
      // Whether it is secure behind a proxy only the configuration knows.
      const view = { headers, url, secure: jar.sessionAttributes.secure } as Request // it looks at nothing else
      views.set(request, view)
      handle(view, response, (error?: unknown) => {
        if (error !== undefined) next(storeFailure(error))
        else if (view.session === undefined) next(storeFailure(new Error('the session store is disconnected')))
        // express-session is less exact about a cookie's name than we are, and may have found another one.
        else if (view.session.facts !== undefined && refOf(view.sessionID) !== ref(request)) next(hostile())
        else next()
      })
    },
    ref,
    facts: (request) => viewOf(request).session.facts ?? null,
    async begin(request, make) {
      const view = viewOf(request)
      // Not `regenerate`, which deletes the old session first: if this login fails, that one goes on.
      view.sessionStore.generate(view)
      const { session: fresh } = view
      try {
        fresh.facts = await make(refOf(view.sessionID))
        await promisify(fresh.save).call(fresh)
      } catch (error) {
        // Without a session object express-session sets no cookie.
        Reflect.deleteProperty(view, 'session')
        throw storeFailure(error)
      }
      // It is written; express-session would write it again when the response ends.
      Object.defineProperty(fresh, 'save', { value: (done: () => void) => done() })
    },
    renew(request, response) {
      const [value = ''] = readCookies(request.headers.cookie).get(jar.sessionName) ?? []
      if (verifiedId(value, [newest]) !== null) return
      const { session: current, sessionID } = viewOf(request)
      response.appendHeader('set-cookie', current.cookie.serialize(jar.sessionName, signedCookie(sessionID, newest)))
    },
    remove(request, response) {
      // The record is gone already; express-session must neither look for it nor set the cookie again.
      viewOf(request).session.destroy(() => undefined)
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
