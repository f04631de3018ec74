import { antiForgeryHeader } from '../wire.ts'

/** Belong to one connection (RFC 9110, section 7.6.1), or to the framing that each side does for itself. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]

/** What a client could use to speak in our name, or in its user's. */
export const neverFromClient = [
  ...hopByHop,
  'host',
  'cookie',
  'authorization',
  'dpop',
  antiForgeryHeader.name,
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-original-forwarded-for',
  'x-envoy-external-address',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]

/** What an upstream must not say to the browser in our name. */
export const neverFromUpstream = [
  ...hopByHop,
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'strict-transport-security',
  'alt-svc',
  'server',
  'www-authenticate',
  'x-powered-by',
  'surrogate-control',
  'edge-control',
  'x-accel-expires',
  'x-accel-redirect',
  'x-sendfile',
]
