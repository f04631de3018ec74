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
  // RFC 9440, section 4: what a proxy has seen of the client's certificate.
  'client-cert',
  'client-cert-chain',
  'cf-pseudo-ipv4',
  'cloudfront-viewer-address',
  'front-end-https',
  'x-envoy-external-address',
  'x-host',
  'x-original-host',
  'x-scheme',
  'x-url-scheme',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]

/**
 * Names under which proxies tell for whom they speak. There is no list of them all, and upstreams believe many that no proxy
 * of theirs sends.
 */
export const ofProxies =
  /(?:^|-)(?:forwarded(?:-|$)|(?:client|connecting|originating|real|remote|user)-?(?:ip|ipv6|addr)$)/

/** What an upstream must not say to the browser in our name. */
export const neverFromUpstream = [
  ...hopByHop,
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'strict-transport-security',
  'alt-svc',
  // These, too, are remembered for all of our origin: where browsers report every address of it to, codes and states among
  // them, what a worker may rule over, and what sessions are refreshed by.
  'nel',
  'report-to',
  'service-worker-allowed',
  'secure-session-registration',
  // A token, ours or another one.
  'authorization',
  'server',
  'www-authenticate',
  'x-powered-by',
  'surrogate-control',
  'edge-control',
  'x-accel-expires',
  'x-accel-redirect',
  'x-sendfile',
]
