import assert from 'node:assert/strict'
import dns from 'node:dns'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { freePort } from '../support/free-port.ts'
import { startWorld } from '../support/world.ts'

const name = 'api.example'

test('an upstream that moves to another address is followed, and loses no call', async (context) => {
  const servers = ['127.0.0.1', '127.0.0.2'].map((address) => ({
    address,
    server: createServer((_request, response) => response.end(address)),
  }))
  const [first, second] = servers
  assert.ok(first !== undefined && second !== undefined)
  const port = await freePort()
  for (const { server, address } of servers) await listen(server, port, address)
  context.after(async () => {
    for (const { server } of servers) server.closeAllConnections()
    await Promise.all(servers.map(({ server }) => closeServer(server)))
  })

  let { address } = first
  const { lookup } = dns
  context.mock.method(
    dns,
    'lookup',
    (host: string, options: dns.LookupAllOptions, done: (...found: unknown[]) => void) => {
      if (host !== name) return lookup(host, options, done)
      setImmediate(() => (options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
    },
  )
  const routes = [{ path: '/api', upstream: `http://${name}:${port}` }]
  await using world = await startWorld({ store: 'memory', bff: { routes, timing: { connectionLife: 200 } } })
  const browser = world.browser()
  await browser.login()
  const answers = async () => {
    const response = await browser.api('/api/x')
    assert.equal(response.status, 200)
    return await response.text()
  }
  for (let i = 0; i < 5; i++) assert.equal(await answers(), first.address)
  address = second.address
  const began = performance.now()
  // One after the other: no connection is ever idle for long enough to be closed for that.
  while ((await answers()) !== second.address) assert.ok(performance.now() - began < 10_000, 'not followed')
  for (let i = 0; i < 5; i++) assert.equal(await answers(), second.address)
})
