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
  const sockets: Socket[] = []
  const held = Promise.withResolvers<ServerResponse>()
  world.upstream.onRequest((request, response) => {
    sockets.push(request.socket)
    if (request.url !== '/held') return false
    response.write('begun, ')
    held.resolve(response)
    return true
  })

  const slow = await browser.api('/api/held')
  await (await browser.api('/api/x')).body?.cancel()
  const [, idle] = sockets
  assert.ok(idle)
  const closed = once(idle, 'close')
  // Never idle for long enough to be closed for that.
  while (sockets.at(-1) === idle) await (await browser.api('/api/x')).text()
  await closed
  const response = await held.promise
  response.end('and ended')
  assert.equal(await slow.text(), 'begun, and ended')
})
