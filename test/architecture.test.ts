import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { brokenImportRules } from './support/import-rules.ts'
import { readModule } from './support/module-syntax.ts'

const root = join(import.meta.dirname, '..')
const names = globSync('**/*', { cwd: join(root, 'src'), withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(join(root, 'src/').length))
const files = new Map(
  names.filter((name) => name.endsWith('.ts')).map((name) => [name, readFileSync(join(root, 'src', name), 'utf8')]),
)
const manifest: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const dependencies = new Set(Object.keys(manifest.dependencies))

test('the rules are applied to the whole source', () => {
  assert.ok(files.size >= 20, `only ${files.size} files were seen`)
  const imports = [...files.values()].flatMap((text) => readModule(text).imports)
  assert.ok(imports.length > files.size, `only ${imports.length} imports were seen`)
})

test('imports go one way, each package has one door, and nothing that writes to a browser sees a token', () => {
  assert.deepEqual(brokenImportRules({ files, dependencies }), [])
})

test('the environment is read in one file', () => {
  assert.deepEqual(
    [...files].filter(([, text]) => readsEnvironment(text)).map(([name]) => name),
    ['env.ts'],
  )
})

test('nothing is exported without a name', () => {
  assert.deepEqual(
    [...files].filter(([, text]) => hasDefaultExport(text)).map(([name]) => name),
    [],
  )
})

test('no file is longer than 200 lines', () => {
  const lines = [...files].map(([name, text]) => `${name}: ${text.split('\n').length - 1}`)
  assert.deepEqual(
    lines.filter((line) => Number(line.split(': ')[1]) > 200),
    [],
  )
})

test('files have kebab-case names and lie in no drawer', () => {
  const drawers = /(^|\/)(lib|helpers?|utils?|common|shared|misc|types)(\/|\.|$)/
  const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)+$/
  assert.deepEqual(
    names.filter((name) => !kebabCase.test(basename(name)) || drawers.test(name)),
    [],
  )
})

/** The least that makes each rule speak: the file with the offence, and what is said. */
const offences: readonly [file: string, text: string, said: RegExp][] = [
  ['endpoints/a.ts', `import { x } from '../tokens/t.ts'`, /endpoints\/a\.ts may not import tokens\/t\.ts/],
  ['endpoints/a.ts', `import type { X } from '../tokens/t.ts'`, /may not import tokens\/t\.ts/],
  ['endpoints/a.ts', `type X = import('../tokens/t.ts').X`, /may not import tokens\/t\.ts/],
  ['endpoints/a.ts', `const x = await import('../tokens/t.ts')`, /may not import tokens\/t\.ts/],
  ['endpoints/a.ts', `import '../tokens/t.ts'`, /may not import tokens\/t\.ts/],
  ['endpoints/a.ts', `import {\n  x,\n} from\n  "../tokens/t.ts"`, /may not import tokens\/t\.ts/],
  [
    'endpoints/a.ts',
    `const y = \`\${/['"\`]/.test('}')}\`; import { x } from '../tokens/t.ts'`,
    /may not import tokens/,
  ],
  ['endpoints/a.ts', `export * from '../tokens/t.ts'`, /may not import tokens\/t\.ts/],
  [
    'endpoints/a.ts',
    `import { x } from '../relying-party/refresh-grant.ts'`,
    /may not import relying-party\/refresh-grant/,
  ],
  ['http/a.ts', `import { x } from '../tokens/t.ts'`, /http\/a\.ts may not import/],
  ['client/a.ts', `import { x } from '../tokens/t.ts'`, /client\/a\.ts may not import/],
  ['client/a.ts', `import { x } from '../errors.ts'`, /client\/a\.ts may not import errors/],
  ['client/a.ts', `import { x } from 'node:url'`, /client\/a\.ts may not import node:url/],
  ['relying-party/a.ts', `import { x } from '../tokens/t.ts'`, /relying-party\/a\.ts may not import/],
  ['tokens/a.ts', `import { x } from '../session/s.ts'`, /tokens\/a\.ts may not import/],
  ['tokens/a.ts', `import { x } from '../storage/redis-store.ts'`, /may not import storage\/redis-store/],
  ['proxy/a.ts', `import { x } from '../session/s.ts'`, /proxy\/a\.ts may not import/],
  ['main.ts', `import { x } from './tokens/t.ts'`, /main\.ts may not import/],
  ['errors.ts', `import { x } from './tokens/t.ts'`, /errors\.ts may not import/],
  ['new-room/a.ts', `import { x } from '../tokens/t.ts'`, /new-room\/a\.ts may not import/],
  ['tokens/a.ts', `import { x } from './b.ts'`, /a cycle: tokens\/a\.ts -> tokens\/b\.ts -> tokens\/a\.ts/],
  ['tokens/a.ts', `import { x } from './missing.ts'`, /not a file of src/],
  ['tokens/a.ts', `import { x } from 'openid-client'`, /may not import openid-client/],
  ['tokens/a.ts', `import { x } from 'undici'`, /may not import undici/],
  ['relying-party/a.ts', `import { x } from 'undici'`, /may not import undici/],
  ['tokens/a.ts', `import express from 'express'`, /may not import express/],
  ['http/a.ts', `import express from 'express'`, /may not import express/],
  ['tokens/a.ts', `import type { IncomingMessage } from 'node:http'`, /may not know requests/],
  ['http/a.ts', `import { x } from 'left-pad'`, /not among the dependencies/],
  [
    'http/a.ts',
    `import { x } from '@some/package/deep'`,
    /imports @some\/package, which is not among the dependencies/,
  ],
  ['http/a.ts', `import { x } from 'fs'`, /without node:/],
  ['http/a.ts', `import { env } from 'node:process'`, /the environment is read in env\.ts alone/],
  ['http/a.ts', `const x = await import(name)`, /not a literal/],
  ['http/a.ts', `const x = require(name)`, /not a literal/],
  ['http/a.ts', `export { x } from './b.ts'`, /no public door/],
]

/** What the offences lead to, in rooms where it is allowed to be. */
const surroundings = {
  'tokens/t.ts': '',
  'tokens/b.ts': `import { y } from './a.ts'`,
  'session/s.ts': '',
  'http/b.ts': '',
  'storage/redis-store.ts': '',
  'relying-party/refresh-grant.ts': '',
}

for (const [file, text, said] of offences) {
  test(`${file} with ${JSON.stringify(text)} breaks a rule`, () => {
    const sources = new Map(Object.entries({ 'tokens/a.ts': '', 'errors.ts': '', ...surroundings, [file]: text }))
    const broken = brokenImportRules({ files: sources, dependencies })
    assert.ok(
      broken.some((sentence) => said.test(sentence)),
      broken.join('\n') || 'nothing was said',
    )
  })
}

test('the rules have nothing against what the offences lead to', () => {
  const sources = new Map(Object.entries({ ...surroundings, 'tokens/a.ts': '' }))
  assert.deepEqual(brokenImportRules({ files: sources, dependencies }), [])
})

test('what stands in comments and strings is not an import', () => {
  const text = `// import { x } from '../tokens/t.ts'
    /* import '../tokens/t.ts' */
    const a = "import '../tokens/t.ts'"
    const b = \`import '../tokens/t.ts' \${a + \`\${'import("../tokens/t.ts")'}\`}\`
    const c = /import '..\\/tokens[/]t.ts'/.test(a) ? 4 / 2 : a.length / 1 // import '../tokens/t.ts'
    const d = 'process.env', e = 'export default'`
  assert.deepEqual(readModule(text).imports, [])
  assert.equal(readsEnvironment(text), false)
  assert.equal(hasDefaultExport(text), false)
})

test('every spelling of the environment and of a default export is seen', () => {
  const environment = [
    'process.env.X',
    "process['env']",
    'process?.env',
    'const { argv, env } = process',
    'process /**/ .env',
  ]
  for (const text of environment) assert.ok(readsEnvironment(text), text)
  const defaults = [
    'export default 1',
    'export default function f() {}',
    'export { f as default }',
    'export { f as "default" }',
  ]
  for (const text of defaults) assert.ok(hasDefaultExport(text), text)
})

function readsEnvironment(text: string): boolean {
  const { code, literals } = readModule(text)
  const byName = /\bprocess\s*(\?\s*)?\.\s*env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/.test(code)
  const byKey = [...code.matchAll(/\bprocess\s*(?:\?\s*\.\s*)?\[\s*"(\d+)"/g)]
  return byName || byKey.some(([, literal]) => literals[Number(literal)] === 'env')
}

function hasDefaultExport(text: string): boolean {
  const { code, literals } = readModule(text)
  const renamed = [...code.matchAll(/\bas\s+(?:default\b|"(\d+)")/g)]
  const asDefault = renamed.some(([, literal]) => literal === undefined || literals[Number(literal)] === 'default')
  return /\bexport\s+default\b/.test(code) || asDefault
}
