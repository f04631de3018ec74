import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { secretOptions, variableOf } from '../src/env.ts'
import { BffError, type ProblemName, problems } from '../src/errors.ts'
import { optionDocs, routeDocs } from '../src/options.ts'
import { paths } from '../src/wire.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The lines between two markers, without table heads and code fences. */
function section(name: string): string[] {
  const found = new RegExp(`<!-- ${name}: .*-->\n([^]*?)\n<!-- /${name} -->`).exec(readme)
  assert.ok(found, `the README has no section ${name}`)
  return (found[1] ?? '')
    .split('\n')
    .filter((line) => !/^(```|\|---|\| (variable|option|code|method, path|package) \|)/.test(line))
}

const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

describe('the README says what the code does:', () => {
  test('configuration', () => {
    const rows = optionDocs.map(({ name, sentence, default: value, required }) => {
      const file = secretOptions.has(name) ? ' (`_FILE`)' : ''
      return `| \`${variableOf(name)}\`${file} | ${sentence} | ${required ? 'required' : defaultText(value)} |`
    })
    rows.push('| `BFF_CONFIG` | path of a YAML or JSON file with the same options in camelCase | none |')
    assert.deepEqual(section('configuration'), rows)
  })

  test('options of a route', () => {
    const rows = routeDocs.map(
      ({ name, sentence, default: value, required }) =>
        `| \`${name}\` | ${sentence} | ${required ? 'required' : defaultText(value)} |`,
    )
    assert.deepEqual(section('routes'), rows)
  })

  test('endpoints', () => {
    const named = section('endpoints').map((row) => /`\/bff(\/[a-z.:/]*)/.exec(row)?.[1])
    assert.deepEqual([...new Set(named)].sort(), Object.values(paths).toSorted())
  })

  test('problem codes', () => {
    // `as`: Object.keys forgets what it knows of a constant's keys.
    const rows = (Object.keys(problems) as ProblemName[]).map((name) => {
      const { code, status, message } = new BffError(name)
      return `| \`${code}\` | ${status} | ${message} |`
    })
    assert.deepEqual(section('problems'), rows)
  })

  test('the tree of the source', () => {
    const entries = readdirSync(join(root, 'src'), { withFileTypes: true })
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    const told = section('tree').flatMap((line) => /^ {2}(\S+)/.exec(line)?.[1] ?? [])
    assert.deepEqual(told.toSorted(), names.toSorted())
  })

  test('dependencies', () => {
    const { dependencies }: { dependencies: object } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.deepEqual(
      section('dependencies')
        .map((row) => cells(row)[0])
        .toSorted(),
      Object.keys(dependencies).toSorted(),
    )
  })

  test('the files it points to exist', () => {
    const files = [...readme.matchAll(/`(test\/[^`]+)`|\]\(([^)]+)\)/g)].map((match) => match[1] ?? match[2] ?? '')
    for (const file of files) assert.ok(existsSync(join(root, file)), file)
  })
})

function defaultText(value: unknown): string {
  if (value === undefined) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : `\`${value.join(',')}\``
  return typeof value === 'object' ? 'none' : `\`${value}\``
}
