import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { startRelay } from './relay.ts'

test('what the client sends before it half-closes is answered in full, then the connection ends', async (t) => {
  const server = await listen(t, (socket) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // Only a half-close lets this answer come: it waits for the end of the request.
    socket.on('end', () => socket.end(Buffer.concat(chunks)))
  })
  const seen: Buffer[] = []
  await using relay = await startRelay({ target: server, onConnection: () => (chunk) => void seen.push(chunk) })
  const client = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true })
  const sent = Buffer.alloc(8 * 1024 * 1024, 'coatcheck')
  client.end(sent)
  assert.ok(sent.equals(await readAll(client)))
  assert.ok(sent.equals(Buffer.concat(seen)), 'the observer saw every byte')
})

test('a reset on either side reaches the other side as a reset', async (t) => {
  const accepted = Promise.withResolvers<Socket>()
  const server = await listen(t, accepted.resolve)
  await using relay = await startRelay({ target: server })
  const client = connect(relay.port, '127.0.0.1')
  const failed = once(client, 'error')
  const serverSide = await accepted.promise
  serverSide.resetAndDestroy()
  const [error] = await failed
  assert.equal(error.code, 'ECONNRESET')
})

test('a client that is reset resets the connection to the server', async (t) => {
  const accepted = Promise.withResolvers<Socket>()
  const server = await listen(t, accepted.resolve)
  await using relay = await startRelay({ target: server })
  const client = connect(relay.port, '127.0.0.1')
  const serverSide = await accepted.promise
  serverSide.resume()
  const failed = once(serverSide, 'error')
  client.resetAndDestroy()
  const [error] = await failed
  assert.equal(error.code, 'ECONNRESET')
})

test('a held relay passes nothing on, and loses nothing', async (t) => {
  const server = await listen(t, (socket) => socket.pipe(socket))
  await using relay = await startRelay({ target: server })
  const client = connect(relay.port, '127.0.0.1')
  client.write('one')
  assert.equal(String((await once(client, 'data'))[0]), 'one')
  relay.hold()
  client.write('two')
  const late = once(client, 'data')
  // A second relay round trip through the same server proves that there was time for the first to arrive.
  await using open = await startRelay({ target: server })
  const witness = connect(open.port, '127.0.0.1')
  witness.write('three')
  await once(witness, 'data')
  assert.equal(client.bytesRead, 3)
  relay.release()
  assert.equal(String((await late)[0]), 'two')
  client.destroy()
  witness.destroy()
})

test('a cut relay resets what is open and what comes, until it is released', async (t) => {
  const server = await listen(t, (socket) => socket.pipe(socket))
  await using relay = await startRelay({ target: server })
  const client = connect(relay.port, '127.0.0.1')
  client.write('one')
  await once(client, 'data')
  relay.cut()
  assert.equal((await once(client, 'error'))[0].code, 'ECONNRESET')
  const refused = connect(relay.port, '127.0.0.1')
  assert.equal((await once(refused, 'error'))[0].code, 'ECONNRESET')
  relay.release()
  const again = connect(relay.port, '127.0.0.1')
  again.write('two')
  assert.equal(String((await once(again, 'data'))[0]), 'two')
  again.destroy()
})

test('connections wait for a target that is not known yet', async (t) => {
  const server = await listen(t, (socket) => socket.pipe(socket))
  await using relay = await startRelay()
  const client = connect(relay.port, '127.0.0.1')
  client.write('early')
  await once(client, 'connect')
  relay.forwardTo(server)
  assert.equal(String((await once(client, 'data'))[0]), 'early')
  client.destroy()
})

type Cleanup = { after(close: () => void): void }

async function listen(t: Cleanup, onConnection: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {
      // Resets are what these tests are about; those who care listen for themselves.
    })
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { host: '127.0.0.1', port: address.port }
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}
