import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import session from 'express-session'
import request from 'supertest'
import { WebSocket, WebSocketServer } from 'ws'
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
    const live = { path: '/live', upstream: 'http://127.0.0.1:9', webSocket: true }
    const bff = createBff({ ...world.options, routes: [...world.options.routes, live] })
    const app = express()
    app.use(bff.router)
    app.get('/hello', (_request, response) => void response.send('from the app'))
    const server = createServer(app)
    const own = new WebSocketServer({ noServer: true })
    server.on('upgrade', (incoming, socket, head) => {
      if (incoming.url === '/own') own.handleUpgrade(incoming, socket, head, (opened) => opened.send('from the app'))
    })
    bff.attach(server)
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

  test('WebSockets of the app are left to it, and ours are opened', async () => {
    const own = new WebSocket(`${origin.replace('http', 'ws')}/own`)
    assert.equal(String((await once(own, 'message'))[0]), 'from the app')
    own.terminate()
    const ours = new WebSocket(`${origin.replace('http', 'ws')}/live/x`, { headers: { origin: world.origin } })
    const [, response] = await once(ours, 'unexpected-response')
    assert.equal(response.statusCode, 401)
    response.socket.on('error', () => {}).destroy()
  })

  test('a body that waits to be asked for reaches the app, and our route only with a session', async () => {
    const post = async (path: string) => {
      const sent = httpRequest(origin + path, { method: 'POST', headers: { expect: '100-continue', 'x-csrf': '1' } })
      let asked = false
      sent.on('continue', () => {
        asked = true
        sent.end('body')
      })
      sent.flushHeaders()
      const [response] = await once(sent, 'response')
      sent.on('error', () => {}).destroy()
      return [response.statusCode, asked]
    }
    assert.deepEqual(await post('/hello'), [404, true])
    assert.deepEqual(await post('/api/x'), [401, false])
  })

  test('an app that keeps sessions of its own before us has them to itself, and we ours', async () => {
    await using disposal = new AsyncDisposableStack()
    const own = await startWorld({ store: 'memory' })
    disposal.use(own)
    const bff = createBff(own.options)
    disposal.defer(() => bff.close())
    const app = express()
    app.use(session({ name: 'theirs', secret: 'of the app', resave: false, saveUninitialized: true }))
    app.use(bff.router)
    app.get(
      '/hello',
      ({ session: theirs, sessionID }, response) => void response.send([sessionID, Object.keys(theirs)]),
    )
    const server = createServer(app)
    own.relay.forwardTo({ host: '127.0.0.1', port: await listen(server, 0, '127.0.0.1') })
    disposal.defer(() => closeServer(server))
    const browser = own.browser()
    const theirs = async () => [browser.cookies.get('theirs')?.value, await (await browser.request('/hello')).json()]
    await browser.request('/hello')
    const before = await theirs()
    await browser.login()
    assert.equal((await browser.api('/bff/user')).status, 200)
    assert.equal((await browser.api('/api/x')).status, 200)
    assert.deepEqual(await theirs(), before)
    assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200)
    assert.equal((await browser.api('/bff/user')).status, 401)
    assert.deepEqual(await theirs(), before)
  })

  test('beside the SPA the app keeps its own paths, but for pages that are navigated to', async () => {
    const spa = await mkdtemp(join(tmpdir(), 'coatcheck-embed-'))
    await writeFile(join(spa, 'index.html'), '<title>the SPA</title>')
    const bff = createBff({ ...world.options, spa })
    disposal.defer(() => bff.close())
    const app = express().use(bff.router)
    app.all('/hello', (incoming, response) => void response.send(`${incoming.method} to the app`))
    const passed = await request(app).get('/hello').expect(200, 'GET to the app')
    assert.equal(passed.headers['content-security-policy'], undefined)
    await request(app).post('/hello').send({ a: 1 }).expect(200, 'POST to the app')
    for (const path of ['/', '/index.html', '/deep/link', '/hello']) {
      const page = await request(app)
        .get(path)
        .accept('text/html')
        .expect(200, /the SPA/)
      assert.match(page.headers['content-security-policy'] ?? '', /default-src 'self'/)
    }
  })

  test('options that cannot be used throw when they are given', () => {
    assert.throws(() => createBff({ ...world.options, publicUrl: 'ftp://x' }), { name: 'ConfigurationError' })
  })
})
