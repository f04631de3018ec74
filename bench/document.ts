import { describeMachine, type Machine } from './machine.ts'
import { connections, downloadConnections, type Settings } from './settings.ts'

/** docs/benchmark.md around the tables of a whole run. */
export function page(tables: string, settings: Settings, machine: Machine): string {
  const { rounds, seconds } = settings
  return `# Benchmark

Written by \`npm run bench\` (about eleven minutes; \`-- --quick\` takes two and writes nothing). nginx, Apache with
mod_auth_openidc and wrk take part where they are installed; on Debian:
\`apt-get install nginx apache2 libapache2-mod-auth-openidc wrk\`.

**Compare within this page only.** The ratios travel to other machines, roughly; absolute figures are this machine's, and
drift by 10-40 % between two runs of it: ${describeMachine()}.

How it is measured: all peers run side by side on one provider, one Redis and one upstream (${machine.nginx === null ? 'Node.js' : 'nginx'}, 198 bytes
of JSON, 401 without an Authorization header). The peer that is measured has core 0; the load (${machine.wrk === null ? 'Node.js' : 'wrk'}), the upstream,
Redis and the provider share core 1. Sessions come from real logins; requests have twelve headers of a browser, the
anti-forgery header and the cookie, on ${connections} connections that are kept alive (${downloadConnections} for the download). Rounds of ${seconds} seconds
alternate between the peers, ${rounds.small} of the small GET and ${rounds.others} of every other case unless it says otherwise; shown is the median,
the lowest and the highest round in brackets. What is so many times another compares the two within each round.
CPU seconds are what the operating system charged the peer's processes, user and system; the figure to trust, since
requests/s and milliseconds also hold what core 1 was busy with. Memory is what is resident after the load.

The peers: **nginx** forwards and knows no session: the floor; as a token it sends the same 700 made-up bytes each time.
**coatcheck** is \`coatcheck serve\`, every check on, each request's session read from Redis. **The usual Express stack** is
express, helmet, express-session with connect-redis, openid-client and http-proxy-middleware as their manuals put them
together (\`bench/peers/usual-stack-app.ts\`); its tokens lie in Redis as plain text. **mod_auth_openidc** has its sessions in
Redis too; its Apache runs as one process of up to 256 threads (\`-X\`). Why a peer takes no part in a case is said there.

${tables}`
}
