import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { startWorld } from '../support/world.ts'

test('an upstream is connected to anew after a while, and what is under way on old connections goes on', async () => {
  await using world = await startWorld({ store: 'memory', bff: { timing: { connectionLife: 200 } } })
  const browser = world.browser()
  await browser.login()
  const connections: { socket: Socket; closed: Promise<unknown> }[] = []
  const held = Promise.withResolvers<ServerResponse>()
  world.upstream.onRequest(({ socket, url }, response) => {
    if (connections.at(-1)?.socket !== socket) connections.push({ socket, closed: once(socket, 'close') })
    if (url !== '/held') return false
    response.write('begun, ')
    held.resolve(response)
    return true
  })

  const slow = await browser.api('/api/held')
  // One after the other, on a connection that is never idle for long enough to be closed for that.
  while (connections.length < 3) {
    const answer = await browser.api('/api/x')
    assert.equal(answer.status, 200)
    await answer.text()
  }
  await connections[1]?.closed
  const response = await held.promise
  response.end('and ended')
  assert.equal(await slow.text(), 'begun, and ended')
})
