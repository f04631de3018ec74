import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { summary } from './progress.ts'
import { runChaos } from './run.ts'
import { saveHistory } from './saved-history.ts'
import { isVariant, provocations, variants } from './variants.ts'

// npm run chaos -- [--seed N] [--minutes M] [--users N] [--leeway] [--variant name] [--keep]
// Nodes, users, and everything that can go wrong; then the proof that nothing was lost that could have been kept.

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    minutes: { type: 'string', default: '1' },
    users: { type: 'string', default: '50' },
    leeway: { type: 'boolean', default: false },
    variant: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const say = (line: string) => void process.stdout.write(`${line}\n`)
const seed = Number(values.seed)
const stormMs = Number(values.minutes) * 60_000
if (!Number.isInteger(seed) || !(stormMs > 0)) throw new TypeError('--seed is a whole number, --minutes more than 0')
const { variant } = values
if (variant !== undefined && !isVariant(variant)) throw new TypeError(`--variant is one of ${variants.join(', ')}`)

const broken =
  variant === undefined
    ? {}
    : { ...provocations[variant], program: [join(import.meta.dirname, 'broken-main.ts'), variant] }
const { history, finding } = await runChaos(
  { seed, stormMs, users: Number(values.users), ...(values.leeway ? { leewayMs: 3_000 } : {}), ...broken },
  say,
)
for (const line of summary(history, finding)) say(line)
for (const { rule, sentence, ref, events } of finding.violations.slice(0, 10)) {
  say(`\n${rule}: session ${ref}: ${sentence}`)
  for (const event of events) say(`  ${JSON.stringify(event)}`)
}
if (values.keep || finding.violations.length > 0)
  say(`\nThe history of seed ${seed} is kept in ${saveHistory(seed, history, finding.violations)}`)
// Whatever connection a fault has left behind would hold the process.
process.exit(finding.violations.length === 0 ? 0 : 1)
