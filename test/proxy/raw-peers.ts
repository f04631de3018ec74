import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { World } from '../support/world.ts'

/** Longer than an answer takes where hundreds are asked for, and than a connection that is to close may stay open, in milliseconds. */
const patienceMs = { data: 20_000, close: 5_000 }

export interface Talk {
  /** Everything that came back, in latin1. */
  text: string
  /** Of every response in it, interim ones included. */
  statuses: number[]
}

/** Sends bytes as they are and reads until the other side closes. @throws when it does not, with what it said */
export async function talk(port: number, bytes: string): Promise<Talk> {
  const line = await openLine(port)
  line.socket.write(bytes, 'latin1')
  await line.closed()
  return { text: line.text, statuses: [...line.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1])) }
}

/** A client's connection. */
export interface Line {
  socket: Socket
  /** Everything that has come back, in latin1. */
  readonly text: string
  /** Resolves when what has come back contains `part`. @throws when the connection closes before */
  until(part: string): Promise<void>
  /** Resolves when the connection has closed, however. */
  closed(): Promise<void>
}

export async function openLine(port: number): Promise<Line> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {}) // a reset closes it too
  await once(socket, 'connect')
  const next = async (event: 'data' | 'close') => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`No ${event} for too long, after: ${text}`))
    }, patienceMs[event])
    socket.once(event, resolve)
    socket.once('close', resolve)
    await promise.finally(() => clearTimeout(late))
  }
  return {
    socket,
    get text() {
      return text
    },
    async until(part) {
      while (!text.includes(part)) {
        if (socket.closed) throw new Error(`The connection closed after: ${text}`)
        await next('data')
      }
    },
    async closed() {
      if (!socket.closed) await next('close')
    },
  }
}

/** Whether a client would take the last response in `text` for a whole one. */
export function isWhole(text: string): boolean {
  const at = text.lastIndexOf('HTTP/1.1 ')
  const end = text.indexOf('\r\n\r\n', at)
  if (at < 0 || end < 0) return false
  const head = text.slice(at, end)
  const body = text.slice(end + 4)
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  if (length !== undefined) return body.length >= Number(length)
  return /^transfer-encoding: chunked$/im.test(head) ? /(^|\r\n)0\r\n(.+\r\n)*\r\n$/.test(body) : true
}

/** Told of a request's head as soon as it has come; `nth` counts them on this connection, from 1. */
export type Script = (socket: Socket, nth: number) => void

/** An upstream that says whatever a test wants, byte for byte. */
export interface RawUpstream extends AsyncDisposable {
  url: string
  /** Request lines, in the order they came. */
  readonly log: readonly string[]
  /** Everything that was said on the connections that have closed. */
  readonly heard: readonly string[]
  /** What it does from now on. */
  say(script: Script): void
  /** Resolves when no connection is open. @param withinMs in milliseconds */
  emptied(withinMs?: number): Promise<void>
}

export const fine = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'

export async function startRawUpstream(): Promise<RawUpstream> {
  const log: string[] = []
  const heard: string[] = []
  const sockets = new Set<Socket>()
  let script: Script = (socket) => socket.end(fine)
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    let said = ''
    let nth = 0
    socket.on('error', () => {}) // resets are the point
    socket.once('close', () => {
      heard.push(said)
      sockets.delete(socket)
      if (sockets.size === 0) server.emit('emptied')
    })
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1')
      const lines = [...said.matchAll(/^([A-Z]+ \S+) HTTP\/1\.1\r\n(?:.+\r\n)*\r\n/gm)].map((match) => match[1] ?? '')
      for (const line of lines.slice(nth)) {
        nth += 1
        log.push(line)
        script(socket, nth)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A TCP server's address is an AddressInfo; only pipes have a string.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    log,
    heard,
    say: (next) => {
      script = next
    },
    async emptied(withinMs = patienceMs.close) {
      if (sockets.size > 0) await once(server, 'emptied', { signal: AbortSignal.timeout(withinMs) })
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Logs a new browser in. @returns the header lines by which its calls are known, without `Host` */
export async function signInLines(world: World): Promise<string> {
  const browser = world.browser()
  await browser.login()
  return `Cookie: bff=${browser.cookies.get('bff')?.value}\r\nX-CSRF: 1\r\n`
}

/** Both ends, when the upstream has heard the request. */
export async function ask(raw: RawUpstream, request: string, port: number): Promise<{ line: Line; upstream: Socket }> {
  const arrived = Promise.withResolvers<Socket>()
  raw.say((socket) => arrived.resolve(socket))
  const line = await openLine(port)
  line.socket.write(request)
  return { line, upstream: await arrived.promise }
}
