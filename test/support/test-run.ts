import { run } from 'node:test'
import { spec } from 'node:test/reporters'

/** What happened in a run, beyond what the reporter prints. */
export interface TestRun {
  success: boolean
  files: readonly FileRun[]
  /** Tests that were skipped or are yet to be done, and why. */
  skipped: readonly { file: string; name: string; reason: string }[]
}

export interface FileRun {
  file: string
  /** Milliseconds on one clock for all files. */
  beganAt: number
  endedAt: number
  tests: number
}

const testDeadlineMs = 120_000

/** Runs test files, each in a process of its own and two at a time, and reports to stdout as they go. */
export async function runTests(files: readonly string[], signal: AbortSignal): Promise<TestRun> {
  const stream = run({
    files: [...files],
    isolation: 'process',
    concurrency: 2,
    timeout: testDeadlineMs,
    signal,
    execArgv: ['--import', new URL('./file-deadline.ts', import.meta.url).href],
  })
  const runs = new Map(files.map((file): [string, FileRun] => [file, { file, beganAt: 0, endedAt: 0, tests: 0 }]))
  const skipped: TestRun['skipped'][number][] = []
  let success = true

  stream.on('test:dequeue', ({ name }) => {
    const file = runs.get(name)
    if (file !== undefined) file.beganAt = performance.now()
  })
  stream.on('test:complete', ({ name, file = '', skip, todo }) => {
    const whole = runs.get(name)
    if (whole !== undefined) {
      whole.endedAt = performance.now()
      return
    }
    const owner = runs.get(file)
    if (owner !== undefined) owner.tests += 1
    const [reason] = [skip, todo].filter((mark) => mark !== undefined && mark !== false)
    if (reason !== undefined)
      skipped.push({ file, name, reason: typeof reason === 'string' ? reason : 'no reason given' })
  })
  stream.on('test:fail', () => {
    success = false
  })
  stream.on('test:summary', (summary) => {
    success &&= summary.success
  })
  for await (const text of stream.compose(new spec())) process.stdout.write(String(text))
  return { success, files: [...runs.values()], skipped }
}
