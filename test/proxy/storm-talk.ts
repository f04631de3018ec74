import type { Random } from '../support/random.ts'

/** What clients and upstreams may come to say, well or badly, in pieces as they could be sent. */
export interface StormTalk {
  /** A request: its head, then pieces of a body. @param own header lines of somebody who is signed in */
  request(own: string): string[]
  /** A response, or what is none. */
  answer(): string
  /** Bytes behind a handshake. */
  noise(): Buffer
}

/** Routes that `request` asks for: with a limited silence, with a limited body, for WebSockets, for anybody. */
export const stormRoutes = (upstream: string) => [
  { path: '/api', upstream, timeouts: { firstByte: 0.5, idle: 0.5 } },
  { path: '/limited', upstream, maxBodyBytes: 1_000, timeouts: { firstByte: 0.5 }, webSocket: true },
  { path: '/ws', upstream, webSocket: true, timeouts: { firstByte: 0.5 } },
  { path: '/open', upstream, token: 'none' as const, maxBodyBytes: 50_000, timeouts: { firstByte: 0.5 } },
]

const paths = ['/api/x', '/limited/x', '/ws/x', '/ws/y', '/open/x']
const oddPaths = ['/bff/user', '/bff/events', '/nothing', '/api/..%2f', '//x', '*', 'http://x/api', 'localhost:80']
const methods = ['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'PATCH']
const oddMethods = ['CONNECT', 'TRACE', 'BREW', 'get', 'QUERY']
const webSocket =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** Header lines, each with how likely it is. */
const lines: readonly (readonly [number, string])[] = [
  [0.2, 'Connection: close\r\n'],
  [0.1, 'Connection: keep-alive, authorization, x-forwarded-for\r\n'],
  [0.2, webSocket],
  [0.03, 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA\r\n'],
  [0.1, 'Expect: 100-continue\r\n'],
  [0.03, 'Expect: more\r\n'],
  [0.2, 'TE: trailers\r\n'],
  [0.03, `X-Long: ${'a'.repeat(20_000)}\r\n`],
  [0.02, 'Bad Name: x\r\n'],
  [0.02, 'X: a\nY: b\r\n'],
]

const large = 'z'.repeat(300_000)
const head = (status: string, ...more: string[]) =>
  `HTTP/1.1 ${status}\r\n${more.map((line) => `${line}\r\n`).join('')}\r\n`
const fine = `${head('200 OK', 'Content-Length: 4')}fine`
const answers = [
  fine,
  fine,
  `${fine}${fine}`,
  `${head('200 OK', 'Transfer-Encoding: chunked', 'Trailer: X')}4\r\nfine\r\n0\r\nX: 1\r\n\r\n`,
  `${head('200 OK', 'Content-Type: text/event-stream')}data: x\n\n`,
  `${head('200 OK', `Content-Length: ${large.length}`)}${large}`,
  `${head('200 OK', 'Content-Length: 10')}half`,
  `${head('200 OK', 'Content-Length: 4', 'Content-Length: 5')}fine`,
  `${head('200 OK')}until the end`,
  head('101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'),
  head('101 Switching Protocols', 'Upgrade: h2c', 'Connection: Upgrade'),
  head('100 Continue'),
  head('102 Processing'),
  `${head('103 Early Hints', 'Link: </a>; rel=preload')}${fine}`,
  head('204 No Content'),
  head('302 Found', 'Location: /x', 'Location: /y', 'Content-Length: 0'),
  head('304 Not Modified', 'Content-Length: 5'),
  `${head('401 No', 'WWW-Authenticate: Bearer error="invalid_token"', 'Content-Length: 2')}no`,
  `${head('401 No', 'WWW-Authenticate: Bearer error="insufficient_user_authentication", max_age=5', 'Content-Length: 20')}half`,
  `${head('413 Too Large', 'Content-Length: 3', 'Connection: close')}big`,
  'no response\r\n\r\n',
  '',
]

export function createStormTalk({ chance, pick, int, next }: Random): StormTalk {
  /** The lines that announce a body, and what comes of it. */
  function body(): [string, ...string[]] {
    const kind = next()
    if (kind < 0.15) {
      const length = pick([1, 10, 1_001, 70_000])
      return [`Content-Length: ${length}\r\n`, 'x'.repeat(pick([0, 1, length >> 1, length, length, length + 5]))]
    }
    if (kind < 0.3) {
      const second = pick(['', 'zz\r\n', `ea60\r\n${'y'.repeat(60_000)}\r\n`])
      return [
        'Transfer-Encoding: chunked\r\n',
        '5\r\nhello\r\n',
        second,
        pick(['0\r\n\r\n', '0\r\nX: 1\r\n\r\n', '0\r\n', '']),
      ]
    }
    return kind < 0.33 ? ['Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '0\r\n\r\n'] : ['']
  }

  return {
    request(own) {
      const method = pick(chance(0.9) ? methods : oddMethods)
      const path = pick(chance(0.85) ? paths : oddPaths)
      const version = chance(0.95) ? 'HTTP/1.1' : pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9'])
      const said = lines.filter(([likelihood]) => chance(likelihood)).map(([, line]) => line)
      const [announced, ...pieces] = body()
      const known = [chance(0.98) ? 'Host: localhost\r\n' : '', chance(0.95) ? own : '']
      return [[`${method} ${path} ${version}\r\n`, ...known, ...said, announced, '\r\n'].join(''), ...pieces]
    },
    answer: () => pick(answers),
    noise: () => Buffer.from(Array.from({ length: pick([1, 2, 10, 200]) }, () => int(0, 255))),
  }
}
