import { ResponseBodyError } from 'openid-client'
import { ProviderSilent } from './provider-http.ts'

/** Whether the provider is away or not itself, as opposed to having said no. @param error what openid-client threw */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof ProviderSilent) return true
  const status = statusIn(error)
  return status === null ? isOutage(error.cause) : status >= 500 || status === 429
}

/** An answer that is no error of the protocol's, such as a proxy's, is the cause. */
function statusIn(error: Error): number | null {
  if (error instanceof ResponseBodyError) return error.status
  return error.cause instanceof Response ? error.cause.status : null
}
