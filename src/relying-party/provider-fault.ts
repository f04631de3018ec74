/** The provider answers, and what it publishes cannot be used. The message is ours: nothing of the answer is in it. */
export class ProviderFault extends Error {
  override readonly name = 'ProviderFault'
}

/** One sentence on why a document could not be had, for the log and for `coatcheck check`. */
export function problemOf(error: unknown): string {
  return error instanceof ProviderFault ? error.message : 'it does not answer as a provider would'
}
