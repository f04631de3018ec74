import { once } from 'node:events'
import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'

/**
 * Makes the demo's SPA ready for a browser: copies `demo/spa`, turns its TypeScript and the client's into JavaScript,
 * and returns the directory. The client is `/client.js` there. What the directory held before is removed.
 * @default outDir `.cache/demo-spa` in the checkout
 */
export async function buildSpa(outDir = resolve(import.meta.dirname, '../.cache/demo-spa')): Promise<string> {
  const directory = resolve(outDir)
  // In a worker only because there the warning about node:module's `stripTypeScriptTypes` can be kept quiet.
  const worker = new Worker(new URL('./spa-modules.ts', import.meta.url), {
    workerData: directory,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  await once(worker, 'exit')
  return directory
}

if (import.meta.main) process.stdout.write(`SPA ready: ${await buildSpa(process.argv[2])}\n`)
