import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { BffError } from '../errors.ts'
import { demandAntiForgery } from '../http/anti-forgery.ts'
import type { ErrorAnswer } from '../http/error-answer.ts'
import { demandFollowed, demandNavigation, demandNavigationFromElsewhere } from '../http/navigation.ts'
import type { SetHeaders } from '../http/security-headers.ts'
import { paths } from '../wire.ts'
import { backchannel, refusedPerMinute } from './backchannel.ts'
import { callback } from './callback.ts'
import type { EndpointParts } from './endpoint.ts'
import { events } from './events.ts'
import { frontchannel } from './frontchannel.ts'
import { jwks } from './jwks.ts'
import { login } from './login.ts'
import { logoutByNavigation, logoutByScript } from './logout.ts'
import { logoutCallback } from './logout-callback.ts'
import { endOtherSessions, endSession, listSessions } from './sessions.ts'
import { usedCallback } from './used-callback.ts'
import { user } from './user.ts'

/** Our own endpoints, under `basePath`. Everything else under it is `no_route`. */
export function createEndpoints(parts: EndpointParts, setHeaders: SetHeaders, answer: ErrorAnswer): Express {
  const { options, cookie, limits } = parts
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('case sensitive routing')
  app.enable('strict routing')
  // Whose address it is that limits count by.
  app.set('trust proxy', options.trustProxy)

  const prepare: RequestHandler = (request, response, next) => {
    setHeaders(request, response)
    response.setHeader('Cache-Control', 'no-store')
    cookie.ref(request) // refuses a planted second cookie before anybody reads the first
    next()
  }
  const header: RequestHandler = (request, _response, next) => {
    demandAntiForgery(request, 'header', options.publicUrl)
    next()
  }
  // Before anything is counted: somebody else's page, which can ask for thousands of images, would use up the logins of all
  // who share an address with its reader.
  const seenToBegin: RequestHandler = (request, _response, next) => {
    demandNavigation(request, options.crossSiteLogin)
    next()
  }
  const seenToEnd: RequestHandler = (request, _response, next) => {
    demandNavigationFromElsewhere(request)
    next()
  }
  const followed: RequestHandler = (request, _response, next) => {
    demandFollowed(request)
    next()
  }
  const logins = (name: string) => limits.ofRequests(name, options.loginsPerMinute)
  const session = cookie.middleware
  const at = (path: string) => options.basePath + path

  app.use(prepare)
  // Each with its own proof: callback the login cookie, logout by navigation the `sid`, its callback the `state`,
  // back-channel logout the token, front-channel logout the provider's `sid`.
  app.get(at(paths.login), seenToBegin, logins('login'), login(parts))
  app.get(at(paths.callback), seenToEnd, logins('callback'), session, callback(parts))
  app.get(at(paths.usedCallback), session, usedCallback(parts))
  app.get(at(paths.user), header, session, user(parts))
  app.get(at(paths.events), header, events(parts))
  app.get(at(paths.sessions), header, session, listSessions(parts))
  app.delete(at(paths.sessions), header, session, endOtherSessions(parts))
  app.delete(at(paths.session), header, session, endSession(parts))
  app.get(at(paths.logout), followed, session, logoutByNavigation(parts))
  app.post(at(paths.logout), header, session, logoutByScript(parts))
  app.get(at(paths.logoutCallback), logoutCallback(parts))
  app.post(at(paths.backchannel), limits.ofRefusals('backchannel', refusedPerMinute, backchannel(parts)))
  app.get(at(paths.frontchannel), logins('frontchannel'), frontchannel(parts))
  app.get(at(paths.jwks), jwks(parts))

  for (const path of Object.values(paths)) app.all(at(path), notAllowed(methods[path] ?? ['GET', 'HEAD']))
  app.use(() => {
    throw new BffError('no_route')
  })

  // A person navigates to these; everything else is asked by a script. Who wants to log out is led to no login.
  const startUrls = new Map([
    ...[paths.login, paths.callback, paths.usedCallback].map((path) => [at(path), at(paths.login)] as const),
    ...[paths.logout, paths.logoutCallback].map((path) => [at(path), '/'] as const),
  ])
  const failed: ErrorRequestHandler = (thrown, request, response, _next) => {
    // Express found a path that cannot be decoded.
    const error = thrown instanceof URIError ? new BffError('bad_request', { cause: thrown }) : thrown
    const startUrl = startUrls.get(request.path)
    if (startUrl === undefined) answer.problem(request, response, error)
    else answer.page(request, response, error, startUrl)
  }
  app.use(failed)
  return app
}

/** What a path can be asked by, where it is not by navigation or for reading alone. */
const methods: Readonly<Record<string, readonly string[]>> = {
  [paths.logout]: ['GET', 'HEAD', 'POST'],
  [paths.backchannel]: ['POST'],
  [paths.sessions]: ['GET', 'HEAD', 'DELETE'],
  [paths.session]: ['DELETE'],
}

function notAllowed(allow: readonly string[]): RequestHandler {
  return () => {
    throw new BffError('method_not_allowed', { allow })
  }
}
