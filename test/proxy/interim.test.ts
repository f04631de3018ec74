import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { startWorld } from '../support/world.ts'
import { fine, openLine, signInLines, startRawUpstream } from './raw-peers.ts'

const hint = `HTTP/1.1 103 Early Hints\r\nLink: </${'x'.repeat(10_000)}>; rel=preload\r\n\r\n`
const sentBytes = 60_000_000
/** More than the system holds between two sockets, far less than what is sent. */
const mostPassedBytes = sentBytes / 3

test('a client that reads nothing is not sent interim responses without end, and gets its answer behind some of them', async () => {
  await using raw = await startRawUpstream()
  await using world = await startWorld({ store: 'memory', bff: { routes: [{ path: '/api', upstream: raw.url }] } })
  const bff = world.nodes[0]?.bff
  assert.ok(bff !== undefined)
  // Without a relay, which would read.
  const server = createServer(bff.handle)
  const line = await openLine(await listen(server, 0, '127.0.0.1'))
  line.socket.pause()
  const said = Promise.withResolvers<void>()
  raw.say((socket) => {
    let left = sentBytes
    const more = () => {
      while (left > 0) {
        left -= hint.length
        if (!socket.write(hint)) return
      }
      socket.off('drain', more).write(fine, () => said.resolve())
    }
    socket.on('drain', more)
    more()
  })
  line.socket.write(`GET /api/x HTTP/1.1\r\nHost: localhost\r\n${await signInLines(world)}\r\n`)
  await said.promise
  line.socket.resume()
  await line.until('\r\n\r\nfine')
  line.socket.destroy()
  assert.ok(line.text.startsWith(hint))
  assert.ok(line.text.length < mostPassedBytes, `${line.text.length} bytes`)
  await closeServer(server)
})

test('an early hint says nothing that the route takes from the answer', async () => {
  await using raw = await startRawUpstream()
  const routes = [
    { path: '/api', upstream: raw.url },
    { path: '/silent', upstream: raw.url, responseHeaders: { remove: ['link'] } },
  ]
  await using world = await startWorld({ store: 'memory', bff: { routes } })
  raw.say((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </inside>; rel=preload\r\n\r\n${fine}`))
  const signedIn = await signInLines(world)
  const hints = async (path: string) => {
    const line = await openLine(world.relay.port)
    line.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${signedIn}\r\n`)
    await line.until('fine')
    line.socket.destroy()
    return line.text.match(/inside/g)?.length ?? 0
  }
  assert.deepEqual([await hints('/api/x'), await hints('/silent/x')], [1, 0])
})
