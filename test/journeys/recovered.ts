import { setTimeout as pause } from 'node:timers/promises'

/** Asks until it is answered with something else than 503; the file's time limit is the limit. */
export async function recovered(ask: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await ask()
    if (response.status !== 503) return response
    await response.body?.cancel()
    await pause(20)
  }
}
