import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apacheModules, cores } from '../machine.ts'
import { startProgram } from '../program.ts'
import type { PeerKind, Place } from './peer.ts'

const modules = [
  'mpm_event',
  'authn_core',
  'authz_core',
  'authz_user',
  'headers',
  'proxy',
  'proxy_http',
  'auth_openidc',
]

/** Apache with its relying party and sessions in Redis, everything else as it comes. */
export const apache: PeerKind = {
  name: 'Apache mod_auth_openidc',
  basePath: '/auth',
  passesWebSockets: false,
  isThere: (machine) => machine.apache !== null,
  start(place) {
    const file = join(place.folder, 'apache.conf')
    writeFileSync(file, configuration(place))
    // In the foreground and as one process, which no end of ours can leave behind.
    const args = ['-X', '-d', place.folder, '-f', file]
    return startProgram(place.machine.apache ?? 'apache2', args, { core: cores.peer, port: place.port })
  },
}

function configuration(place: Place): string {
  const { folder, port, origin, issuer, clientId, clientSecret, sessionSecret, redisPort, upstreamUrl } = place
  return `
ServerName ${new URL(origin).host}
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
LogLevel error
User www-data
Group www-data
${modules.map((name) => `LoadModule ${name}_module ${apacheModules}/mod_${name}.so`).join('\n')}
ServerLimit 1
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
KeepAlive On
KeepAliveTimeout 600
MaxKeepAliveRequests 0

OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID ${clientId}
OIDCClientSecret ${clientSecret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI ${origin}/auth/callback
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCCryptoPassphrase ${sessionSecret}
OIDCSessionType server-cache
OIDCCacheType redis
OIDCRedisCacheServer 127.0.0.1:${redisPort}
OIDCPassClaimsAs environment
# By default never; here when it has run out, which lets tokens be of any length of life.
OIDCRefreshAccessTokenBeforeExpiry 0
# The browser of our tests cannot say \`navigate\`, without which nobody is sent to the provider.
RequestHeader unset Sec-Fetch-Mode early

<LocationMatch "^/(auth|api)/">
  AuthType openid-connect
  Require valid-user
</LocationMatch>
<Location /api/>
  OIDCUnAuthAction 401
  RequestHeader set Authorization "expr=Bearer %{reqenv:OIDC_access_token}"
  RequestHeader unset Cookie
  ProxyPass ${upstreamUrl}/ keepalive=On max=256 ttl=600
</Location>
`
}
