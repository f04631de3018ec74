import { createServer } from 'node:http'
import { closeServer, listen } from '../../demo/listen.ts'
import { now } from './clock.ts'
import { type History, nameOf } from './history.ts'

/** The resource server: notes whose call came with which token, and accepts what the token endpoint has issued. */
export interface Api extends AsyncDisposable {
  url: string
}

/** @param isKnown whether a token of this name was issued */
export async function startApi(history: History, isKnown: (token: string) => boolean): Promise<Api> {
  const server = createServer((request, response) => {
    const token = nameOf(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '')
    const call = Number(new URLSearchParams(request.url?.split('?')[1]).get('call'))
    const known = isKnown(token)
    if (known) history.uses.push({ call, at: now(), token })
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end('{}')
  })
  const port = await listen(server, 0, '127.0.0.1')
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => closeServer(server) }
}
