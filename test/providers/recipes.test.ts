import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readConfiguration } from '../../src/env.ts'
import { type BffOptions, parseOptions } from '../../src/options.ts'

const root = join(import.meta.dirname, '../..')
const folder = join(root, 'docs/providers')
const events = readFileSync(join(root, 'src/telemetry/events.ts'), 'utf8')

const secretFile = join(mkdtempSync(join(tmpdir(), 'coatcheck-recipes-')), 'client')
writeFileSync(secretFile, 'not-a-secret\n')

/** What no recipe repeats. */
const rest = {
  BFF_PUBLIC_URL: 'https://app.example.com',
  BFF_SESSION_SECRET: 'x'.repeat(32),
  BFF_REDIS_URL: 'redis://redis:6379',
  BFF_ROUTES: '[{"path":"/api","upstream":"http://orders:4000"}]',
}

const recipes = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const)

test('every provider whose ways we know has a recipe', () => {
  const files = new Set(recipes.map(([file]) => file))
  for (const name of ['amazon-cognito', 'auth0', 'cloudentity', 'identity-engine'])
    assert.ok(files.has(`${name}.md`), name)
  assert.ok(recipes.length >= 13)
})

for (const [file, text] of recipes) {
  describe(file, () => {
    test('its environment is a configuration that would start', () => {
      const options = optionsOf(text)
      const { scope, provider } = parseOptions(options, { production: true })
      assert.ok(options.issuer.startsWith('https://') && scope.includes('openid'))
      assert.equal(`${provider}.md` === file || provider === 'generic', true)
    })

    test('it says when it was checked, against what, and what goes wrong, on one screen', () => {
      assert.match(text, /^# .+\n\nChecked 20\d\d-\d\d-\d\d against/)
      assert.match(text, /\n## Sources\n\n\[.+\]\(https:\/\/.+\)\n$/)
      assert.match(text, /\n\| what you see \| why \|\n/)
      assert.ok(text.split('\n').length <= 45)
    })

    test('what it says of the log is there', () => {
      for (const [, event] of text.matchAll(/log `(\w+)`/g))
        assert.ok(events.includes(`\n  ${event}: '`), String(event))
    })
  })
}

/** Options of the one block of environment variables on a page, read as the server would. */
function optionsOf(text: string): BffOptions {
  const [, block = ''] = /```sh\n(.*?)```/s.exec(text) ?? []
  const variables = block.split('\n').flatMap((line) => {
    if (line === '') return []
    const [, name = '', , quoted, plain] = /^(BFF_[A-Z_]+)=('([^']*)'|([^\s']+))( +#.*)?$/.exec(line) ?? []
    assert.ok(name, line)
    return [[name, name.endsWith('_FILE') ? secretFile : (quoted ?? plain)] as const]
  })
  const before = { ...process.env }
  try {
    Object.assign(process.env, rest, Object.fromEntries(variables))
    return readConfiguration(undefined)
  } finally {
    process.env = before
  }
}
