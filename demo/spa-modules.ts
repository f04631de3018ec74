import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { workerData } from 'node:worker_threads'

/** The body of the worker that `buildSpa` starts; `workerData` is the directory to write. */
const outDir: string = workerData
const spaDir = resolve(import.meta.dirname, 'spa')
const clientEntry = resolve(import.meta.dirname, '../src/client/index.ts')

const sourceOf = new Map<string, string>()

rmSync(outDir, { recursive: true, force: true })
mkdirSync(outDir, { recursive: true })
cpSync(spaDir, outDir, { recursive: true, filter: (path) => !path.endsWith('.ts') })
emit(join(spaDir, 'app.ts'))

/** Writes a module and all it imports side by side, and returns the address of the module. */
function emit(source: string): string {
  const name = source === clientEntry ? 'client.js' : `${basename(source, '.ts')}.js`
  const known = sourceOf.get(name)
  if (known !== undefined && known !== source) throw new Error(`${known} and ${source} would both become ${name}`)
  if (known === undefined) {
    sourceOf.set(name, source)
    const code = stripTypeScriptTypes(readFileSync(source, 'utf8')).replace(
      /(\bfrom\s*|\bimport\s*)'(\.{1,2}\/[^']+\.ts)'/g,
      (_match, keyword: string, path: string) => `${keyword}'${emit(resolve(dirname(source), path))}'`,
    )
    writeFileSync(join(outDir, name), code)
  }
  return `/${name}`
}
