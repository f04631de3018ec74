import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { wrkScript } from './wrk-script.ts'

/** Requests that are sent over and over, on connections that are kept alive. */
export interface Load {
  url: string
  method: 'GET' | 'POST'
  headers: Readonly<Record<string, string>>
  /** In place of `headers.Cookie`, one after the other. */
  cookies?: readonly string[]
  bodyBytes: number
  connections: number
  seconds: number
}

/** What a load generator reports, as one line of JSON. */
export interface LoadReport {
  requests: number
  seconds: number
  bytes: number
  /** Answers other than 2xx, and what broke off or took too long. */
  failures: number
  p50Ms: number
  p99Ms: number
}

/**
 * Runs a load to its end in a process of its own.
 * @param wrk path of wrk; `null` for the generator of our own
 */
export async function runLoad(load: Load, wrk: string | null): Promise<LoadReport> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-bench-'))
  try {
    const file = join(folder, wrk === null ? 'load.json' : 'load.lua')
    const cookies = join(folder, 'cookies.txt')
    writeFileSync(cookies, (load.cookies ?? []).map((cookie) => `${cookie}\n`).join(''))
    writeFileSync(file, wrk === null ? JSON.stringify(load) : wrkScript(load, cookies))
    const { connections, seconds } = load
    const rate = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '20s']
    const [command, args] =
      wrk === null
        ? [process.execPath, [join(import.meta.dirname, 'own-load.ts'), file]]
        : [wrk, [...rate, '-s', file, load.url]]
    const { stdout } = await promisify(execFile)(command, args, { timeout: (seconds + 40) * 1000 })
    return readLoadReport(stdout)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The report is the last line. @throws Error for anything else */
export function readLoadReport(output: string): LoadReport {
  const line = output.trimEnd().split('\n').at(-1) ?? ''
  const names = ['requests', 'seconds', 'bytes', 'failures', 'p50Ms', 'p99Ms'] as const
  const report: Record<string, unknown> = line.startsWith('{') ? JSON.parse(line) : {}
  const [requests, seconds, bytes, failures, p50Ms, p99Ms] = names.map((name) => {
    const value = report[name]
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`the load generator wrote: ${output}`)
    return value
  })
  // `map` keeps the length of `names`, which the type of its result does not say.
  return { requests, seconds, bytes, failures, p50Ms, p99Ms } as LoadReport
}
