import { createServer } from 'node:net'

/**
 * Below the range from which systems choose ports by themselves: a port given out here stays its owner's while the
 * owner is down, and no other server is ever given it by chance.
 */
const firstPort = 10_000
const portsEach = 100

let given = 0

/** A port of 127.0.0.1 that nobody listens on at this moment; another one each time, and other ones in each process. */
export async function freePort(): Promise<number> {
  const own = firstPort + (process.pid % 220) * portsEach
  for (let tries = 0; tries < portsEach; tries++) {
    const port = own + (given++ % portsEach)
    if (await isFree(port)) return port
  }
  throw new Error('there is no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
