import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/** An HTTP/1.1 response cut out of recorded bytes. Nothing is dropped: every byte is in `head` or `body`. */
export interface RecordedResponse {
  /** 0 where the bytes are not a response. */
  status: number
  head: string
  /** As it was sent, with chunk sizes. */
  body: Buffer
  /** What the body says: without chunk sizes, uncompressed. Absent where `body` says it itself. */
  content: Buffer | undefined
}

/** Takes one connection apart. What cannot be read as a response is the body of a last one without status. */
export function parseResponses(bytes: Buffer): RecordedResponse[] {
  const responses: RecordedResponse[] = []
  let rest = bytes
  while (rest.length > 0) {
    const headEnd = startsResponse(rest) ? rest.indexOf('\r\n\r\n') : -1
    if (headEnd === -1) {
      responses.push({ status: 0, head: '', body: rest, content: undefined })
      break
    }
    const head = rest.toString('latin1', 0, headEnd + 4)
    const status = Number(head.slice(9, 12))
    rest = rest.subarray(headEnd + 4)
    const length = bodyLength(status, head, rest)
    const body = rest.subarray(0, length)
    rest = rest.subarray(length)
    responses.push({ status, head, body, content: contentOf(head, body) })
  }
  return responses
}

/** All values of a header, in order. */
export function headerValues(head: string, name: string): string[] {
  const lines = head.split('\r\n').slice(1)
  const prefix = `${name.toLowerCase()}:`
  return lines.filter((line) => line.toLowerCase().startsWith(prefix)).map((line) => line.slice(prefix.length).trim())
}

function startsResponse(bytes: Buffer): boolean {
  return /^HTTP\/1\.[01] \d{3}/.test(bytes.toString('latin1', 0, 12))
}

function bodyLength(status: number, head: string, rest: Buffer): number {
  if (status === 101) return rest.length
  // The answer to a HEAD says a length and has no body: what follows it is the next response.
  if (status < 200 || status === 204 || status === 304 || startsResponse(rest)) return 0
  if (isChunked(head)) return chunksOf(rest).length
  const [length] = headerValues(head, 'content-length')
  return length === undefined ? rest.length : Math.min(Number(length), rest.length)
}

function isChunked(head: string): boolean {
  return headerValues(head, 'transfer-encoding').some((value) => /\bchunked\b/i.test(value))
}

function chunksOf(bytes: Buffer): { length: number; content: Buffer } {
  const chunks: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = lineEnd === -1 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    // Cut off, or not chunks at all: the rest belongs to this body.
    if (Number.isNaN(size)) return { length: bytes.length, content: Buffer.concat([...chunks, bytes.subarray(at)]) }
    if (size === 0) {
      const trailerEnd = bytes.indexOf('\r\n\r\n', lineEnd)
      return { length: trailerEnd === -1 ? bytes.length : trailerEnd + 4, content: Buffer.concat(chunks) }
    }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
  return { length: bytes.length, content: Buffer.concat(chunks) }
}

function contentOf(head: string, body: Buffer): Buffer | undefined {
  if (body.length === 0) return undefined
  const encodings = headerValues(head, 'content-encoding').flatMap((value) => value.toLowerCase().split(/\s*,\s*/))
  const content = encodings.reduceRight(decode, isChunked(head) ? chunksOf(body).content : body)
  return content === body ? undefined : content
}

/** Reads as far as a body that was cut off goes; what is not in this encoding stays as it is. */
function decode(bytes: Buffer, encoding: string): Buffer {
  const cutOff = { finishFlush: constants.Z_SYNC_FLUSH }
  try {
    if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(bytes, cutOff)
    if (encoding === 'br') return brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH })
    if (encoding === 'zstd') return zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush })
    if (encoding === 'deflate') return isZlib(bytes) ? inflateSync(bytes, cutOff) : inflateRawSync(bytes, cutOff)
  } catch {
    // Searched as it is.
  }
  return bytes
}

function isZlib(bytes: Buffer): boolean {
  return ((bytes[0] ?? 0) & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0
}
