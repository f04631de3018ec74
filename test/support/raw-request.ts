import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface RawAnswer {
  status: number
  headers: Headers
  body: string
}

/**
 * Sends a request with its target as it is: `fetch` would tidy it up first. The connection closes behind it.
 * @param origin of a server on 127.0.0.1
 */
export async function rawRequest(
  origin: string,
  method: string,
  target: string,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const { protocol, host, port, hostname: servername } = new URL(origin)
  const address = { host: '127.0.0.1', port: Number(port) }
  const socket = protocol === 'https:' ? connectTls({ ...address, servername }) : connect(address)
  const lines = Object.entries({ host, connection: 'close', ...headers })
  socket.write(`${method} ${target} HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n`)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  const text = Buffer.concat(chunks).toString()
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...rest] = text.slice(0, end).split('\r\n')
  const pairs = rest.map((line): [string, string] => [
    line.slice(0, line.indexOf(':')),
    line.slice(line.indexOf(':') + 2),
  ])
  return { status: Number(first.split(' ')[1]), headers: new Headers(pairs), body: text.slice(end + 4) }
}
