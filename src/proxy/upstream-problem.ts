import { errors } from 'undici'
import { BffError } from '../errors.ts'

/** What a client is told when there is no response of the upstream, or none that can be passed on. */
export function upstreamProblem(error: Error): BffError {
  if (error instanceof BffError) return error
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError
  return new BffError(late ? 'upstream_timeout' : 'upstream_unreachable', { cause: error })
}
