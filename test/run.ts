import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { budgetLines } from './support/budgets.ts'
import { readKeyLifetimes } from './support/key-lifetimes.ts'
import { type LeakSearch, searchForLeaks, whatWasNotRecorded } from './support/leak-search.ts'
import { startRedis } from './support/redis.ts'
import { findPrograms } from './support/required-programs.ts'
import { runTests, type TestRun } from './support/test-run.ts'

// npm test [-- <file> ...]: starts what the tests need, runs them, and then looks through all that browsers received
// and the log took down for anything secret, and through Redis for anything that would stay for ever.

const testFolder = import.meta.dirname
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort())

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

async function main(selection: readonly string[]): Promise<number> {
  const files = findFiles(selection)
  const programs = findPrograms(say)
  process.env['TEST_REDIS_PROGRAM'] = programs.redis
  process.env['TEST_CHROMIUM'] = programs.chromium
  const recordings = mkdtempSync(join(tmpdir(), 'coatcheck-recordings-'))
  process.env['TEST_RECORDING_DIR'] = recordings
  // Hundreds of processes load the same sources: they are compiled once.
  const compiled = mkdtempSync(join(tmpdir(), 'coatcheck-compiled-'))
  process.env['NODE_COMPILE_CACHE'] = compiled

  await using redis = await startRedis()
  process.env['TEST_REDIS_URL'] = redis.url
  say(`Redis ${programs.redis} on ${redis.url}, Chromium ${programs.chromium}, Node ${process.version}`)

  const run = await runTests(files, stop.signal)
  rmSync(compiled, { recursive: true, force: true })
  const search = searchForLeaks(recordings)
  const { keys, immortal } = await readKeyLifetimes(redis.url)
  const problems = [
    ...problemsOf(run),
    ...search.leaks,
    ...immortal.map((key) => `the key ${key} has no lifetime`),
    ...(selection.length === 0 ? whatWasNotRecorded(search) : []),
    ...(selection.length === 0 && keys === 0 ? ['no key was left in Redis to be looked at'] : []),
  ]
  say('')
  for (const line of budgetLines(run.files, testFolder)) say(line)
  for (const { file, name, reason } of run.skipped) say(`skipped: ${relative(testFolder, file)}: ${name} (${reason})`)
  say(describe(search))
  say(`lifetimes: ${immortal.length} of ${keys} keys have none`)
  for (const problem of problems) say(`FAILED: ${problem}`)
  if (search.leaks.length > 0) say(`What was searched is kept in ${recordings}`)
  else rmSync(recordings, { recursive: true })
  if (stop.signal.aborted) return 130
  return run.success && problems.length === 0 ? 0 : 1
}

function findFiles(selection: readonly string[]): string[] {
  const all = globSync('**/*.test.ts', { cwd: testFolder }).map((name) => join(testFolder, name))
  if (selection.length === 0) return all.toSorted()
  const selected = selection.map((name) => resolve(name))
  const unknown = selected.filter((name) => !all.includes(name))
  if (unknown.length > 0) throw new Error(`Not a test file: ${unknown.join(', ')}`)
  return selected
}

function problemsOf(run: TestRun): string[] {
  const empty = run.files.filter(({ tests }) => tests === 0)
  const problems = empty.map(({ file }) => `${relative(testFolder, file)} ran no test`)
  if (/^(true|1)$/.test(process.env['CI'] ?? '') && run.skipped.length > 0) {
    problems.push(`${run.skipped.length} skipped, and nothing may be skipped where CI is set`)
  }
  return problems
}

function describe(search: LeakSearch): string {
  const secrets = [...search.secrets].map(([kind, count]) => `${count} ${kind}`).join(', ')
  const bytes = `${search.connectionBytes} bytes of ${search.connections} connections and ${search.logBytes} of the log`
  return `leaks: ${search.leaks.length} in ${bytes}; looked for ${secrets}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
