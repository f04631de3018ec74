import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { searchForLeaks, whatWasNotRecorded } from './leak-search.ts'
import { recordEndSessionEndpoint, recordSecret, secretKinds } from './secrets.ts'

const opaque = randomBytes(32).toString('base64url')
const jwt = ['{"alg":"RS256"}', '{"sub":"alice","iss":"http://127.0.0.1:3001"}', randomBytes(64)]
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.')
const json = JSON.stringify({ is: 'a body', with: { refresh_token: opaque }, and: 'more' })
const endSession = 'http://127.0.0.1:3001/session/end'

const made: string[] = []
after(() => {
  for (const directory of made) rmSync(directory, { recursive: true })
})

const planted: Record<string, Buffer | string> = {
  'as it is': response('', opaque),
  'in the middle of a longer word': response('', `abcDEF123${opaque}456ghi`),
  'in a header': response(`X-Debug: ${opaque}\r\n`, ''),
  'in a cookie, percent-encoded': response(`Set-Cookie: t=${percentEncode(opaque)}; Path=/\r\n`, ''),
  'percent-encoded twice': response('', percentEncode(percentEncode(opaque))),
  'in base64': response('', Buffer.from(opaque).toString('base64')),
  'in base64 of base64': response('', Buffer.from(Buffer.from(json).toString('base64')).toString('base64')),
  'in base64 of something longer, one byte in': response('', Buffer.from(`x${json}`).toString('base64')),
  'in base64 of something longer, two bytes in': response('', Buffer.from(`xy${json}`).toString('base64url')),
  'in base64 that continues a word': response('', `abc${Buffer.from(json).toString('base64url')}`),
  'in base64, percent-encoded': response('', percentEncode(Buffer.from(json).toString('base64'))),
  'in chunks, cut through the middle': chunked(opaque.slice(0, 20), opaque.slice(20)),
  'in gzip': response('Content-Encoding: gzip\r\n', gzipSync(json)),
  'in gzip that was cut off': response('Content-Encoding: gzip\r\n', gzipSync(json).subarray(0, -12)),
  'in brotli': response('Content-Encoding: br\r\n', brotliCompressSync(json)),
  'in deflate': response('Content-Encoding: deflate\r\n', deflateSync(json)),
  'in raw deflate': response('Content-Encoding: deflate\r\n', deflateRawSync(json)),
  'in zstd': response('Content-Encoding: zstd\r\n', zstdCompressSync(json)),
  'in gzip, in chunks': chunkedGzip(json),
  'in the response after others': Buffer.concat([
    Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
    response('', 'first'),
    chunked('second'),
    response('Content-Encoding: gzip\r\n', gzipSync(json)),
  ]),
  'after the answer to a HEAD': Buffer.concat([
    Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n'),
    response('Content-Encoding: gzip\r\n', gzipSync(json)),
  ]),
  'after the switch to a WebSocket': `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x7e${json}`,
  'in bytes that are no response': `\0\0 ${opaque}`,
}

for (const [place, bytes] of Object.entries(planted)) {
  test(`a refresh token is found ${place}`, () => {
    const { leaks } = search({ 'connection-1.bin': bytes })
    assert.ok(leaks.length > 0)
    for (const leak of leaks) {
      assert.match(leak, /^refresh_token in /)
      assert.ok(!leak.includes(opaque))
    }
  })
}

test('payload and signature of a JWT are found each for itself, its header is not a secret', () => {
  const [header, payload, signature] = jwt.split('.')
  assert.equal(search({ 'connection-1.bin': response('', `${header}.`) }).leaks.length, 0)
  assert.equal(search({ 'connection-1.bin': response('', `${payload}`) }).leaks.length, 1)
  assert.equal(search({ 'connection-1.bin': response('', `${signature}`) }).leaks.length, 1)
})

test('the log is searched as well', () => {
  const { leaks } = search({ 'log-1.txt': `{"msg":"asked","body":${JSON.stringify(json)}}\n` })
  assert.deepEqual(leaks, ['refresh_token in log-1.txt (raw)'])
})

test('what holds no secret is not a leak', () => {
  const other = randomBytes(32).toString('base64url')
  assert.deepEqual(search({ 'connection-1.bin': response('', other), 'log-1.txt': other }).leaks, [])
})

const hint = `${endSession}?state=x&id_token_hint=${jwt}`
test('an id_token_hint in the Location of a 302 to the end_session_endpoint is allowed', () => {
  assert.deepEqual(search({ 'connection-1.bin': redirect(302, hint) }).leaks, [])
})

const refused: Record<string, Buffer> = {
  'with another status': redirect(303, hint),
  'with another path': redirect(302, hint.replace('/session/end', '/session/end/confirm')),
  'with another origin': redirect(302, hint.replace('127.0.0.1', 'localhost')),
  'under another name': redirect(302, hint.replace('id_token_hint', 'id_token')),
  'given twice': redirect(302, `${hint}&id_token_hint=${jwt}`),
  'and again in another parameter': redirect(302, `${hint}&again=${jwt}`),
  'and again in another header': redirect(302, hint, `X-Again: ${jwt}\r\n`),
  'and again in a second Location': redirect(302, hint, `Location: ${hint}\r\n`),
  'and again in the body': redirect(302, hint, '', `Redirecting to ${hint}`),
  'in a header other than Location': redirect(302, '/', `Refresh: 0; url=${hint}\r\n`),
  'when it is not an ID token': redirect(302, `${endSession}?id_token_hint=${opaque}`),
}
for (const [difference, bytes] of Object.entries(refused)) {
  test(`an id_token_hint ${difference} is a leak`, () => {
    assert.ok(search({ 'connection-1.bin': bytes }).leaks.length > 0)
  })
}

test('a run that recorded nothing says what is missing', () => {
  process.env['TEST_RECORDING_DIR'] = newDirectory()
  const missing = whatWasNotRecorded(searchForLeaks(process.env['TEST_RECORDING_DIR']))
  assert.equal(missing.length, 2 + secretKinds.length)
})

test('tens of megabytes are searched for thousands of secrets as fast as for one', () => {
  const directory = newDirectory()
  process.env['TEST_RECORDING_DIR'] = directory
  recordSecret('refresh_token', opaque)
  const page = response('', randomBytes(24 * 1024).toString('base64'))
  const binary = response('', randomBytes(20 * 1024 * 1024))
  writeFileSync(join(directory, 'connection-1.bin'), Buffer.concat([...Array(100).fill(page), binary]))
  writeFileSync(join(directory, 'connection-2.bin'), response('', `${randomBytes(1024).toString('hex')}${opaque}`))
  // Not by the clock on the wall, which goes on while a busy machine does something else.
  const cost = (): number => {
    const before = process.cpuUsage()
    assert.equal(searchForLeaks(directory).leaks.length, 1)
    return process.cpuUsage(before).user
  }
  const forOne = cost()
  for (let count = 0; count < 5_000; count += 1) recordSecret('access_token', randomBytes(40).toString('base64url'))
  const forThousands = cost()
  assert.ok(forThousands < 10 * forOne, `${forThousands} µs instead of ${forOne}`)
})

/** Searches what one run recorded: these files, and one secret of each of two kinds. */
function search(files: Record<string, Buffer | string>): ReturnType<typeof searchForLeaks> {
  const directory = newDirectory()
  process.env['TEST_RECORDING_DIR'] = directory
  recordSecret('refresh_token', opaque)
  recordSecret('id_token', jwt)
  recordEndSessionEndpoint(endSession)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return searchForLeaks(directory)
}

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-leak-search-'))
  made.push(directory)
  return directory
}

function response(headers: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n`), bytes])
}

function redirect(status: number, location: string, headers = '', body = ''): Buffer {
  const head = `HTTP/1.1 ${status} Found\r\nLocation: ${location}\r\n${headers}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.from(head + body)
}

function chunked(...chunks: string[]): Buffer {
  const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
  return Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`)
}

function chunkedGzip(text: string): Buffer {
  const chunks = gzipSync(text)
  const framed = [chunks.subarray(0, 30), chunks.subarray(30)].flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ])
  const head = 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n'
  return Buffer.concat([Buffer.from(head), ...framed, Buffer.from('0\r\n\r\n')])
}

function percentEncode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
