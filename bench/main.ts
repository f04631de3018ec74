import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { page } from './document.ts'
import { prepareMachine } from './machine.ts'
import { report } from './report.ts'
import { measureAll } from './run.ts'
import { quick, whole } from './settings.ts'

// npm run bench -- [--quick]: peers side by side on one provider, Redis and upstream. The whole run
// writes docs/benchmark.md; a quick one prints only.

const began = performance.now()
const say = (line: string) => {
  const seconds = Math.round((performance.now() - began) / 1000)
  process.stdout.write(`${String(seconds).padStart(4)} s  ${line}\n`)
}

try {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
  const settings = values.quick ? quick : whole
  const machine = prepareMachine(say)
  const tables = report(await measureAll(machine, settings, say))
  process.stdout.write(`\n${tables}\n`)
  if (!values.quick) {
    writeFileSync(join(import.meta.dirname, '../docs/benchmark.md'), page(tables, settings, machine))
    say('written to docs/benchmark.md')
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
