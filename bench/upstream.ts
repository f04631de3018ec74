import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../test/support/free-port.ts'
import { cores, type Machine } from './machine.ts'
import { nginxConfiguration } from './nginx-configuration.ts'
import { type Program, startProgram } from './program.ts'

/** What `/large` answers with. */
export const largeBytes = 10_000_000
/** What `/small` answers with: 198 bytes. */
export const smallBody = JSON.stringify({
  id: 'order-000017',
  status: 'shipped',
  lines: [
    { sku: 'coat-rack-oak', quantity: 1, price: 249 },
    { sku: 'ticket-roll', quantity: 12, price: 3 },
  ],
  note: 'leave at the door, the bell is broken......',
})

/**
 * Starts an API that is fast, and answers 401 to whatever comes without an Authorization header.
 * @param able whether it also has event streams and WebSockets and refuses expired tokens, which takes Node.js in place
 *   of nginx
 */
export async function startUpstream(
  machine: Machine,
  folder: string,
  able: boolean,
): Promise<Program & { url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  mkdirSync(folder)
  const options = { core: cores.others, port }
  if (machine.nginx === null || able) {
    const file = join(import.meta.dirname, 'upstream-app.ts')
    return { ...(await startProgram(process.execPath, [file, String(port)], options)), url }
  }
  const file = join(folder, 'nginx.conf')
  writeFileSync(join(folder, 'large'), Buffer.alloc(largeBytes, 'x'))
  writeFileSync(file, nginxConfiguration(folder, server(port, folder)))
  return { ...(await startProgram(machine.nginx, ['-p', folder, '-c', file], options)), url }
}

function server(port: number, folder: string): string {
  return `server {
    listen 127.0.0.1:${port} backlog=4096;
    default_type application/json;
    if ($http_authorization = '') { return 401; }
    location = /small { return 200 '${smallBody}'; }
    location = /large { root ${folder}; }
  }`
}
