import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { listen } from '../../demo/listen.ts'
import { startChild } from '../support/child-process.ts'
import { freePort } from '../support/free-port.ts'
import { type Poured, pour, stalled } from './pour.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const total = 100_000_000
const mostGrowth = 30_000_000
/** Garbage is collected early, so that what is measured is what is held. */
const tidy = ['--max-old-space-size=40', '--max-semi-space-size=4']

describe('the memory of a process of its own', { concurrency: false }, () => {
  const disposal = new AsyncDisposableStack()
  const upstream = createServer((socket) => {
    connections += 1
    socket.on('error', () => {}) // clients that leave are the point
    socket.once('close', () => {
      connections -= 1
    })
    serve(socket)
  })
  let connections = 0
  let serve: (socket: Socket) => void = () => undefined
  let port = 0
  let pid = 0
  before(async () => {
    // Only http servers are given to `listen`; it asks for nothing that net's have not.
    const behind = await listen(upstream as Parameters<typeof listen>[0], 0, '127.0.0.1')
    port = await freePort()
    const routes = [{ path: '/open', upstream: `http://127.0.0.1:${behind}`, token: 'none', webSocket: true }]
    const env = {
      BFF_PUBLIC_URL: `http://localhost:${port}`,
      BFF_PORT: String(port),
      BFF_ISSUER: 'http://127.0.0.1:9',
      BFF_CLIENT_ID: 'app',
      BFF_CLIENT_SECRET: 'not-a-secret',
      BFF_SESSION_SECRET: 'x'.repeat(32),
      BFF_ROUTES: JSON.stringify(routes),
      BFF_STORE: 'memory',
    }
    const child = disposal.use(await startChild(process.execPath, [...tidy, main, 'serve'], { env }))
    const listening = () => /"pid":(\d+),"msg":"listening"/.exec(child.output())?.[1]
    while (listening() === undefined) await pause(20)
    pid = Number(listening())
    await aborted(200) // what is made once has been made
  })
  after(async () => {
    await disposal.disposeAsync()
    upstream.close()
  })

  const own = () => `Host: localhost\r\nX-CSRF: 1\r\nOrigin: http://localhost:${port}\r\n`
  const rss = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

  async function ask(head: string): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {}) // seen by whoever waits for its end
    await once(socket, 'connect')
    socket.write(`${head} HTTP/1.1\r\n${own()}`)
    return socket
  }

  /** How many bytes come from now on, until there are enough or to the end. */
  async function drain(socket: Socket, enough = Number.POSITIVE_INFINITY): Promise<number> {
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes >= enough) socket.destroy()
    })
    socket.resume()
    await once(socket, 'close')
    return bytes
  }

  test('does not grow by a download that is not read', async () => {
    const began = rss()
    const { promise, resolve } = Promise.withResolvers<Poured>()
    serve = (socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${total}\r\n\r\n`)
        resolve(pour(socket, total))
      })
    const client = await ask('GET /open/x')
    client.pause()
    client.write('Connection: close\r\n\r\n')
    await stalled(await promise)
    assert.ok(rss() - began < mostGrowth, `${rss() - began} bytes more`)
    assert.ok((await drain(client)) >= total)
  })

  test('does not grow by an upload that is not read', async () => {
    const began = rss()
    const { promise, resolve } = Promise.withResolvers<Socket>()
    serve = (socket) => {
      socket.pause()
      resolve(socket)
    }
    const client = await ask('POST /open/x')
    client.write(`Connection: close\r\nContent-Length: ${total}\r\n\r\n`)
    const poured = pour(client, total)
    const reader = await promise
    await stalled(poured)
    assert.ok(rss() - began < mostGrowth, `${rss() - began} bytes more`)
    let left = total
    reader.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left <= 0) reader.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
    reader.resume()
    await drain(client)
    assert.ok(left <= 0)
  })

  for (const direction of ['to the browser', 'to the upstream']) {
    test(`does not grow by a WebSocket on which nothing is read ${direction}`, async () => {
      const began = rss()
      const { promise, resolve } = Promise.withResolvers<Socket>()
      serve = (socket) =>
        socket.once('data', () => {
          socket.pause()
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
          resolve(socket)
        })
      const browser = await ask('GET /open/x')
      browser.write('Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      const far = await promise
      await once(browser, 'data')
      browser.pause()
      const [from, to] = direction === 'to the browser' ? [far, browser] : [browser, far]
      const frame = Buffer.alloc(10, 0)
      frame.writeUInt16BE(0x827f)
      frame.writeBigUInt64BE(BigInt(total), 2)
      from.write(frame)
      await stalled(pour(from, total))
      assert.ok(rss() - began < mostGrowth, `${rss() - began} bytes more`)
      assert.equal(await drain(to, total + frame.length), total + frame.length)
      from.destroy()
    })
  }

  /** So many requests, of which every client leaves as soon as its answer has begun, or its upload. */
  async function aborted(count: number): Promise<void> {
    serve = (socket) => socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'))
    let left = count
    const leave = async () => {
      while (left > 0) {
        left -= 1
        const upload = left % 2 === 0
        const client = await ask(upload ? 'POST /open/x' : 'GET /open/x')
        client.write(upload ? 'Content-Length: 99\r\n\r\nhalf' : '\r\n')
        await once(client, 'data')
        client.resetAndDestroy()
      }
    }
    await Promise.all(Array.from({ length: 50 }, leave))
    while (connections > 0) await pause(5)
  }

  test('is flat over 10,000 clients that leave in the middle, and no connection is left', async () => {
    await aborted(3_000)
    const began = rss()
    await aborted(7_000)
    assert.ok(rss() - began < mostGrowth, `${rss() - began} bytes more`)
    assert.equal(connections, 0)
  })
})
