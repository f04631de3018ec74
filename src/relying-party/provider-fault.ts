import { ProviderSilent } from './provider-http.ts'

/** The provider answers, and what it publishes cannot be used. The message is ours: nothing of the answer is in it. */
export class ProviderFault extends Error {
  override readonly name = 'ProviderFault'
}

/** One sentence on why something could not be had of the provider, beginning after its name. */
export function problemOf(error: unknown): string {
  if (error instanceof ProviderFault || error instanceof ProviderSilent) return error.message
  return error instanceof Error && error.cause !== undefined ? problemOf(error.cause) : 'it answers with nonsense'
}
