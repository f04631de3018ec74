import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { closeServer, listen } from '../../demo/listen.ts'
import { createCertificate } from '../support/certificate.ts'
import { startWorld, type World } from '../support/world.ts'
import { isWhole, openLine, type RawUpstream, signInLines, startRawUpstream } from './raw-peers.ts'

/** So many that an upstream which does not read them is written to after it has gone. */
const uploadBytes = 5_000_000

const refuse: RequestListener = (_request, response) => {
  response.writeHead(413, { connection: 'close' }).end('too long')
}

describe('an upstream that answers before it has heard a request out, and closes', { concurrency: false }, () => {
  const certificate = createCertificate()
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-early-'))
  const servers: Record<string, Server> = {
    node: createServer(refuse),
    express: createServer(express().use((_request, response) => void response.status(413).end('too long'))),
    tls: createTlsServer(certificate, refuse),
  }
  let raw: RawUpstream
  let world: World
  let own: string
  before(async () => {
    raw = await startRawUpstream()
    const ca = join(directory, 'cert')
    writeFileSync(ca, certificate.cert)
    const ports = await Promise.all(Object.values(servers).map((server) => listen(server, 0, '127.0.0.1')))
    const routes = Object.keys(servers).map((name, i) => {
      const isTls = name === 'tls'
      const upstream = `${isTls ? 'https' : 'http'}://127.0.0.1:${ports[i]}`
      return { path: `/${name}`, upstream, ...(isTls ? { tls: { ca } } : {}) }
    })
    routes.push({ path: '/raw', upstream: raw.url })
    world = await startWorld({ store: 'memory', bff: { routes } })
    own = `Host: localhost\r\n${await signInLines(world)}`
  })
  after(async () => {
    await world.close()
    await Promise.all(Object.values(servers).map(closeServer))
    await raw[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  const sized = `Content-Length: ${uploadBytes}\r\n\r\n${'x'.repeat(uploadBytes)}`
  const chunk = `2710\r\n${'x'.repeat(10_000)}\r\n`
  const coded = `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(uploadBytes / 10_000)}0\r\n\r\n`
  const bodies = { 'by its length': sized, 'in chunks': coded }

  /** What a client gets that goes on sending all the while. */
  async function uploads(path: string, body: string): Promise<string> {
    const line = await openLine(world.relay.port)
    const closed = Promise.withResolvers<void>()
    line.socket.once('close', () => closed.resolve()) // by a reset, too
    line.socket.write(`POST ${path} HTTP/1.1\r\n${own}${body}`, 'latin1')
    await closed.promise
    return line.text
  }

  /** Says it, and leaves with the rest of the request unread, which makes the system reset the connection. */
  const sayAndLeave = (said: string) => (socket: Socket) => {
    socket.pause()
    socket.write(said, () => socket.destroy())
  }

  for (const [how, body] of Object.entries(bodies)) {
    for (const name of Object.keys(servers)) {
      test(`by ${name}: its answer to an upload ${how} reaches the client`, async () => {
        assert.match(await uploads(`/${name}/x`, body), /^HTTP\/1\.1 413 [\s\S]*too long\b/)
      })
    }

    test(`an answer that fills many reads reaches the client of an upload ${how} whole`, async () => {
      const long = 'y'.repeat(60_000)
      raw.say(sayAndLeave(`HTTP/1.1 401 No\r\nContent-Length: ${long.length}\r\n\r\n${long}`))
      const text = await uploads('/raw/x', body)
      assert.match(text, /^HTTP\/1\.1 401 /)
      assert.equal(text.endsWith(`\r\n\r\n${long}`), true)
    })

    test(`half an answer to an upload ${how} is nothing that a client could take for a whole one`, async () => {
      raw.say(sayAndLeave('HTTP/1.1 413 No\r\nContent-Length: 8\r\n\r\ntoo'))
      assert.equal(isWhole(await uploads('/raw/x', body)), false)
    })

    test(`no answer to an upload ${how} is as good as an unreachable upstream, at once`, async () => {
      raw.say((socket) => void socket.resetAndDestroy())
      assert.match(await uploads('/raw/x', body), /^HTTP\/1\.1 502 /)
    })
  }
})
