import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cores } from '../machine.ts'
import { nginxConfiguration } from '../nginx-configuration.ts'
import { startProgram } from '../program.ts'
import type { PeerKind } from './peer.ts'

/** The floor: the same forwarding and nothing else. It knows no session, and adds a fixed Authorization header. */
export const nginx: PeerKind = {
  name: 'nginx `proxy_pass`, no authentication',
  basePath: null,
  passesWebSockets: true,
  isThere: (machine) => machine.nginx !== null,
  start({ machine, port, upstreamUrl, folder }) {
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, nginxConfiguration(folder, server(port, upstreamUrl)))
    return startProgram(machine.nginx ?? 'nginx', ['-p', folder, '-c', file], { core: cores.peer, port })
  },
}

/** Bodies are streamed, as the other peers do: by default nginx writes what does not fit its buffers to a file first. */
function server(port: number, upstreamUrl: string): string {
  return `map $http_upgrade $upgrade_or_keep { default upgrade; '' ''; }
  upstream api {
    server ${new URL(upstreamUrl).host};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location /api/ {
      proxy_pass http://api/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrade_or_keep;
      proxy_set_header Cookie '';
      proxy_set_header Authorization 'Bearer ${'x'.repeat(700)}';
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }`
}
