import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')
const run = promisify(execFile)
let made: string
/** Where somebody installed the package, who has nothing else. */
let installed: string

before(async () => {
  made = await mkdtemp(join(tmpdir(), 'coatcheck-package-'))
  installed = join(made, 'installed')
  await mkdir(installed)
  await npm(root, 'pack', '--pack-destination', made)
  const [tarball = 'none'] = (await readdir(made)).filter((name) => name.endsWith('.tgz'))
  const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  await npm(installed, 'install', ...quietly, '--prefix', installed, join(made, tarball))
})

after(() => rm(made, { recursive: true, force: true }))

test('the installed command explains itself', async () => {
  const command = join(installed, 'node_modules', '.bin', 'coatcheck')
  const { stdout } = await run(process.execPath, [command, '--help'])
  assert.match(stdout, /coatcheck serve/)
  assert.match(stdout, /BFF_PUBLIC_URL/)
})

test('the installed package is imported by its two doors', async () => {
  await write('import.mjs', [
    `import { createBff } from 'coatcheck'`,
    `import { createBffClient } from 'coatcheck/client'`,
    `console.log(typeof createBff, typeof createBffClient)`,
  ])
  const { stdout } = await run(process.execPath, [join(installed, 'import.mjs')])
  assert.equal(stdout.trim(), 'function function')
})

test('nothing else of the installed package can be imported', async () => {
  await write('inside.mjs', [`await import('coatcheck/dist/tokens/tokens.js')`])
  await assert.rejects(run(process.execPath, [join(installed, 'inside.mjs')]), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
})

test('the installed package brings its types', async () => {
  await write('typed.mts', [
    `import { type BffOptions, createBff } from 'coatcheck'`,
    `import { createBffClient } from 'coatcheck/client'`,
    `const closed: Promise<void> = createBff({} as BffOptions).close()`,
    `const user: string = (await createBffClient().user())?.claims.sub ?? ''`,
    `// @ts-expect-error: the types are there, and say no`,
    `const wrong: number = createBff({ publicUrl: 1 })`,
    `console.log(closed, user, wrong)`,
  ])
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const settings = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2024']
  await run(process.execPath, [compiler, ...settings, join(installed, 'typed.mts')], { cwd: installed }).catch(
    ({ stdout }: { stdout: string }) => assert.fail(stdout),
  )
})

test('the installed package holds the build and what npm always adds, nothing else', async () => {
  const names = await readdir(join(installed, 'node_modules', 'coatcheck'))
  assert.deepEqual(names.filter((name) => !/^(README|CHANGELOG|LICENSE)/.test(name)).toSorted(), [
    'dist',
    'package.json',
  ])
})

async function write(name: string, lines: readonly string[]): Promise<void> {
  await writeFile(join(installed, name), `${lines.join('\n')}\n`)
}

async function npm(cwd: string, ...args: string[]): Promise<void> {
  // What npm tells its scripts about this package, and would take for the other one's.
  const told = /^npm_(?!config_)|^npm_config_local_prefix$|^INIT_CWD$/i
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !told.test(name)))
  await run('npm', args, { cwd, env })
}
