import { readFileSync } from 'node:fs'
import { Pool } from 'undici'
import type { Load, LoadReport } from './load.ts'
import { percentile } from './statistics.ts'

// node bench/own-load.ts <file>: a load from Node.js, where wrk is not installed. It takes more of its core than wrk.

const load: Load = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
process.stdout.write(`${JSON.stringify(await run(load))}\n`)

async function run({ url, method, headers, cookies, bodyBytes, connections, seconds }: Load): Promise<LoadReport> {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections })
  const body = bodyBytes === 0 ? null : Buffer.alloc(bodyBytes, 'x')
  const latencies: number[] = []
  const began = performance.now()
  const until = began + seconds * 1000
  let turn = 0
  let bytes = 0
  let failures = 0

  async function one(): Promise<void> {
    const cookie = cookies?.[turn++ % cookies.length]
    const sent = performance.now()
    try {
      const all = cookie === undefined ? headers : { ...headers, Cookie: cookie }
      const response = await pool.request({ path: pathname, method, headers: all, body })
      for await (const chunk of response.body) bytes += chunk.length
      if (response.statusCode < 200 || response.statusCode > 299) failures += 1
      latencies.push(performance.now() - sent)
    } catch {
      failures += 1
    }
  }
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < until) await one()
    }),
  )
  const took = (performance.now() - began) / 1000
  await pool.close()
  const [p50Ms, p99Ms] = [percentile(latencies, 50), percentile(latencies, 99)]
  return { requests: latencies.length, seconds: took, bytes, failures, p50Ms, p99Ms }
}
