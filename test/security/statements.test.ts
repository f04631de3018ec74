import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8')
const [, table = ''] = /<!-- statements: .*-->\n([\s\S]*?)\n<!-- \/statements -->/.exec(text) ?? []

const rows = table
  .split('\n')
  .slice(2)
  .map((row) => {
    const [, id = '', , files = ''] = row
      .split(' | ')
      .join('|')
      .split('|')
      .map((cell) => cell.trim())
    return { id, files: [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file) }
  })

/** The ids that a file's tests begin with: `C1, C2 and C3: ...` */
function idsIn(file: string): Set<string> {
  const names = readFileSync(join(root, file), 'utf8').matchAll(
    /\btest\(\s*(['"`])([A-Z]\d+(?:(?:, | and )[A-Z]\d+)*): /g,
  )
  return new Set([...names].flatMap(([, , ids = '']) => ids.split(/, | and /)))
}

test('every statement of SECURITY.md has a test that begins with its id in every file it names', () => {
  assert.ok(rows.length > 30)
  for (const { id, files } of rows) {
    assert.ok(files.length > 0, `${id} names no file`)
    for (const file of files) assert.ok(idsIn(file).has(id), `${file} has no test that begins with ${id}`)
  }
})

test('every test that begins with the id of a statement is in a file that the statement names', () => {
  const named = new Map(rows.map(({ id, files }) => [id, files]))
  for (const file of globSync('test/**/*.test.ts', { cwd: root })) {
    for (const id of idsIn(file)) {
      if (/^[BCPR]/.test(id)) assert.ok(named.get(id)?.includes(file), `${id} does not name ${file}`)
    }
  }
})

test('every statement stands there once, or is open', () => {
  const [, open = ''] = /^Open, (.*)$/m.exec(text) ?? []
  const stated = [...rows.map(({ id }) => id), ...[...open.matchAll(/\b[A-Z]\d+\b/g)].map(([id]) => id)]
  const numbered = (letter: string, last: number) => Array.from({ length: last }, (_, i) => `${letter}${i + 1}`)
  const all = [...numbered('B', 11), ...numbered('C', 6), ...numbered('P', 9), ...numbered('R', 16)]
  assert.deepEqual(stated.toSorted(), all.toSorted())
})
