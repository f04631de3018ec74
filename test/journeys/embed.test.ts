import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import request from 'supertest'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBff } from '../../src/index.ts'
import { startRecordingRelay } from '../support/recording-relay.ts'
import { startWorld, type World } from '../support/world.ts'

describe('inside an Express app', () => {
  let world: World
  const disposal = new AsyncDisposableStack()
  let origin = ''

  before(async () => {
    world = disposal.use(await startWorld())
    const relay = disposal.use(await startRecordingRelay())
    origin = relay.origin
    const bff = createBff(world.options)
    const app = express()
    app.use(bff.router)
    app.get('/hello', (_request, response) => void response.send('from the app'))
    const server = createServer(app)
    relay.forwardTo({ host: '127.0.0.1', port: await listen(server, 0, '127.0.0.1') })
    disposal.defer(() => bff.close())
    disposal.defer(() => closeServer(server))
  })
  after(() => disposal.disposeAsync())

  test("our endpoints answer, and the app's own paths are left to it", async () => {
    await request(origin).get('/hello').expect(200, 'from the app')
    await request(origin).get('/bff/user').set('X-CSRF', '1').expect(401)
    await request(origin).get('/nothing').expect(404).expect('content-type', /html/)
  })

  test('a route is guarded and forwarded, for a session made on another node', async () => {
    await request(origin).get('/api/x').set('X-CSRF', '1').expect(401)
    const browser = world.browser()
    await browser.login()
    const cookie = `bff=${browser.cookies.get('bff')?.value}`
    const answer = await request(origin).post('/api/x?y=1').set({ 'x-csrf': '1', cookie }).send({ a: 1 }).expect(200)
    assert.deepEqual([answer.body.method, answer.body.url, answer.body.bodyBytes], ['POST', '/x?y=1', 7])
  })

  test('options that cannot be used throw when they are given', () => {
    assert.throws(() => createBff({ ...world.options, publicUrl: 'ftp://x' }), { name: 'ConfigurationError' })
  })
})
