import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { startWorld, type World } from '../support/world.ts'

describe('bytes and what is said of them pass as they are', () => {
  const text = Buffer.from('a long story. '.repeat(2_000))
  const file = randomBytes(100_000)
  let world: World
  let cookie: string
  before(async () => {
    world = await startWorld()
    const browser = world.browser()
    await browser.login()
    cookie = `bff=${browser.cookies.get('bff')?.value ?? ''}`
  })
  after(() => world.close())

  /** Without `fetch`, which would decode what it is given. */
  async function get(path: string, headers: Record<string, string> = {}) {
    const asked = request(`${world.origin}${path}`, { headers: { cookie, 'x-csrf': '1', ...headers } })
    asked.end()
    const [response]: IncomingMessage[] = await once(asked, 'response')
    assert.ok(response !== undefined)
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
  }

  const codings = { gzip: gzipSync(text), br: brotliCompressSync(text), zstd: zstdCompressSync(text) }
  const twice = { 'gzip, gzip': gzipSync(codings.gzip) }
  for (const [coding, encoded] of Object.entries({ ...codings, ...twice })) {
    test(`a body in ${coding} is not decoded`, async () => {
      world.upstream.onRequest((_request, response) => {
        response.writeHead(200, { 'content-encoding': coding }).end(encoded)
        return true
      })
      const { headers, body } = await get('/api/story', { 'accept-encoding': coding })
      assert.equal(headers['content-encoding'], coding)
      assert.ok(body.equals(encoded))
    })
  }

  test('a range is asked for and answered byte for byte', async () => {
    world.upstream.onRequest(({ headers }, response) => {
      assert.deepEqual([headers.range, headers['if-range']], ['bytes=10-19', '"v1"'])
      const said = { 'content-range': `bytes 10-19/${file.length}`, 'content-length': 10, etag: '"v1"' }
      response.writeHead(206, said).end(file.subarray(10, 20))
      return true
    })
    const { status, headers, body } = await get('/api/file', { range: 'bytes=10-19', 'if-range': '"v1"' })
    assert.equal(status, 206)
    assert.equal(headers['content-range'], `bytes 10-19/${file.length}`)
    assert.ok(body.equals(file.subarray(10, 20)))
  })

  test('several ranges, and their boundary', async () => {
    const parts = Buffer.concat([Buffer.from('--x\r\ncontent-range: bytes 0-0/9\r\n\r\na\r\n--x--\r\n'), file])
    world.upstream.onRequest(({ headers }, response) => {
      assert.equal(headers.range, 'bytes=0-0,5-6')
      response.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=x' }).end(parts)
      return true
    })
    const { headers, body } = await get('/api/file', { range: 'bytes=0-0,5-6' })
    assert.equal(headers['content-type'], 'multipart/byteranges; boundary=x')
    assert.ok(body.equals(parts))
  })

  test('the context of a trace', async () => {
    const context = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1' }
    world.upstream.onRequest(({ headers }, response) => {
      response.end(JSON.stringify([headers['traceparent'], headers['tracestate']]))
      return true
    })
    assert.deepEqual(JSON.parse(String((await get('/api/x', context)).body)), Object.values(context))
  })
})
