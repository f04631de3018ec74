import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void // what the flag adds

/** Bytes that this process cannot do without. */
export function heapUsed(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
