import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

// npm run build: the JavaScript and declarations of src in dist, for the npm package.

const root = import.meta.dirname
const made = join(root, '.cache', `build-${process.pid}`)
const dist = join(root, 'dist')

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
execFileSync(process.execPath, [compiler, '--project', join(root, 'tsconfig.build.json'), '--outDir', made], {
  stdio: 'inherit',
})
for (const asset of globSync('src/**/*.{lua,css,html}', { cwd: root })) {
  const copy = join(made, asset.slice('src/'.length))
  mkdirSync(dirname(copy), { recursive: true })
  cpSync(join(root, asset), copy)
}
// In its place at once and whole: nobody meets half a build, and what was deleted from src is gone from dist.
rmSync(dist, { recursive: true, force: true })
renameSync(made, dist)
