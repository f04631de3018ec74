/** Why an ID token is not believed. The code is for the log, and holds nothing of the token's. */
export class IdTokenRefused extends Error {
  override readonly name = 'IdTokenRefused'
  readonly code: string

  constructor(code: string) {
    super('the ID token is not valid')
    this.code = code
  }
}
