import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests whose client waits for our word before it sends the body (RFC 9110, section 10.1.1). */
const waiting = new WeakSet<IncomingMessage>()

/** Node would say "100 Continue" at once; from here on we say it, or refuse without having read a byte. */
export function holdContinue(request: IncomingMessage): void {
  waiting.add(request)
}

/** Asks for the body, if its client waits to be asked. */
export function askForBody(request: IncomingMessage, response: ServerResponse): void {
  if (waiting.delete(request)) response.writeContinue()
}
