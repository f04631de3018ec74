import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const ids = new WeakMap<IncomingMessage, string>()

/** The name of a request in our log and in the error answer it gets; made when first asked for. */
export function requestId(request: IncomingMessage): string {
  const known = ids.get(request)
  if (known !== undefined) return known
  const id = randomRequestId()
  ids.set(request, id)
  return id
}

export function randomRequestId(): string {
  return randomBytes(9).toString('base64url')
}
