import { Agent } from 'node:http'
import { RedisStore } from 'connect-redis'
import express, { type NextFunction, type Request, type Response } from 'express'
import session from 'express-session'
import helmet from 'helmet'
import { createProxyMiddleware } from 'http-proxy-middleware'
import * as client from 'openid-client'
import { createClient } from 'redis'
import type { Place } from './peer.ts'

// node bench/peers/usual-stack-app.ts <settings>: express, helmet, express-session, connect-redis, openid-client and
// http-proxy-middleware as their manuals put them together, connections to the upstream kept alive.

interface TokenSet {
  accessToken: string
  refreshToken: string
  idToken: string
  expiresAt: number
}

declare module 'express-session' {
  interface SessionData {
    tokens?: TokenSet
    login?: { verifier: string; state: string }
  }
}

const settings: Omit<Place, 'machine' | 'folder'> = JSON.parse(process.argv[2] ?? '{}')
const { origin, port, issuer, clientId, clientSecret, sessionSecret, redisPort, redisPrefix, upstreamUrl } = settings
const redirectUri = `${origin}/auth/callback`
const configuration = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [client.allowInsecureRequests],
})
const redis = createClient({ url: `redis://127.0.0.1:${redisPort}` })
redis.on('error', () => undefined)
await redis.connect()

function keep(answer: client.TokenEndpointResponse, before?: TokenSet): TokenSet {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? before?.refreshToken ?? '',
    idToken: answer.id_token ?? before?.idToken ?? '',
    expiresAt: Date.now() + (answer.expires_in ?? 300) * 1000,
  }
}

async function demandFreshToken(request: Request, response: Response, next: NextFunction) {
  const { tokens } = request.session
  if (tokens === undefined || request.headers['x-csrf'] !== '1') {
    response.sendStatus(tokens === undefined ? 401 : 403)
    return
  }
  if (tokens.expiresAt <= Date.now()) {
    const answer = await client.refreshTokenGrant(configuration, tokens.refreshToken)
    request.session.tokens = keep(answer, tokens)
  }
  next()
}

const app = express()
app.use(helmet())
app.use(
  session({
    store: new RedisStore({ client: redis, prefix: `${redisPrefix}:` }),
    secret: sessionSecret,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax' },
  }),
)
app.get('/auth/login', async (request, response) => {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  request.session.login = { verifier, state }
  const parameters = {
    redirect_uri: redirectUri,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  }
  response.redirect(client.buildAuthorizationUrl(configuration, parameters).href)
})
app.get('/auth/callback', async (request, response) => {
  const { verifier = '', state = '' } = request.session.login ?? {}
  const answer = await client.authorizationCodeGrant(configuration, new URL(request.originalUrl, origin), {
    pkceCodeVerifier: verifier,
    expectedState: state,
  })
  await new Promise<void>((resolve, reject) => {
    request.session.regenerate((error) => (error ? reject(error) : resolve()))
  })
  request.session.tokens = keep(answer)
  response.redirect('/')
})
app.use(
  '/api',
  demandFreshToken,
  createProxyMiddleware<Request, Response>({
    target: upstreamUrl,
    xfwd: true,
    agent: new Agent({ keepAlive: true }),
    on: {
      proxyReq(proxied, request) {
        proxied.removeHeader('cookie')
        proxied.setHeader('authorization', `Bearer ${request.session.tokens?.accessToken}`)
      },
    },
  }),
)
const server = app.listen(port, '127.0.0.1', 4096)
server.keepAliveTimeout = 65_000
process.once('SIGTERM', () => process.exit(0))
