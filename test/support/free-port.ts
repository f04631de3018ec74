import { createServer, type Server } from 'node:net'

/**
 * Below the range from which systems choose ports by themselves: a port given out here stays its owner's while the
 * owner is down, and no other server is ever given it by chance.
 */
const firstPort = 10_000
const portsEach = 100
const parts = 220

let own: Promise<number> | undefined
let given = 0

/** A port of 127.0.0.1 that nobody listens on at this moment; another one each time, and other ones in each process. */
export async function freePort(): Promise<number> {
  own ??= claimPart()
  const first = await own
  for (let tries = 0; tries < portsEach; tries++) {
    const port = first + 1 + (given++ % (portsEach - 1))
    const probe = await listenOn(port)
    if (probe === null) continue
    await new Promise((closed) => probe.close(closed))
    return port
  }
  throw new Error('there is no free port')
}

/** The ports of a part are this process's for as long as it listens on the first of them: while it lives. */
async function claimPart(): Promise<number> {
  for (let tries = 0; tries < parts; tries++) {
    const first = firstPort + ((process.pid + tries) % parts) * portsEach
    const claim = await listenOn(first)
    if (claim === null) continue
    claim.unref()
    return first
  }
  throw new Error('every part of the ports is taken')
}

function listenOn(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
