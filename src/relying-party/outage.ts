import { ResponseBodyError } from 'openid-client'
import { ProviderSilent } from './provider-http.ts'

/** Whether the provider is away or not itself, as opposed to having said no. @param error what openid-client threw */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof ProviderSilent || (error instanceof ResponseBodyError && error.status === 429)) return true
  if (error.cause instanceof Response) return error.cause.status >= 500
  return isOutage(error.cause)
}
