import { Transform } from 'node:stream'
import { BffError } from '../errors.ts'

/** Passes a body on until it is longer than it may be, and then breaks off with `payload_too_large`. */
export function createBodyLimit(maxBytes: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBytes) done(new BffError('payload_too_large'))
      else done(null, chunk)
    },
  })
}
