import { BffError } from '../errors.ts'
import type { Endpoint, EndpointParts } from './endpoint.ts'

/** Milliseconds after which a browser whose stream has ended opens another one, maybe at another node. */
const retryMs = 1_000

/** Server-Sent Events about the browser's own session. Listening is not using: it does not keep the session alive. */
export function events({ options, cookie, watch }: EndpointParts): Endpoint {
  return async (request, response) => {
    const ref = cookie.ref(request)
    if (ref === null || (await watch.left(ref)) === null) throw new BffError('no_session')
    if (response.destroyed) return // left while we asked
    response.setHeader('Content-Type', 'text/event-stream')
    // Proxies in front that collect what they pass on would keep the news to themselves.
    response.setHeader('X-Accel-Buffering', 'no')
    if (request.method === 'HEAD') return void response.end()
    response.write(`retry: ${retryMs}\n\n`)
    // So that a connection that has died is noticed, and one that lives is not taken for idle.
    const heartbeat = setInterval(() => response.write(':\n\n'), options.timing.heartbeat)
    // Where nobody reads, it closes long after it has ended, and may be told nothing more.
    const end = () => {
      clearInterval(heartbeat)
      response.end()
    }
    const release = watch.watch(
      ref,
      (event, data) => {
        response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
        if (event === 'ended') end()
      },
      end,
    )
    response.once('close', () => {
      clearInterval(heartbeat)
      release()
    })
  }
}
