import { createBff } from '../../src/bff.ts'
import { readConfiguration } from '../../src/env.ts'
import { type BffOptions, parseOptions } from '../../src/options.ts'
import { createRedisStore } from '../../src/storage/redis-store.ts'
import { createCounters } from '../../src/telemetry/counters.ts'
import { createSay } from '../../src/telemetry/events.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { breakStore, isVariant } from './variants.ts'

// `coatcheck serve` with a store that leaves out one rule of the protocol, named by the first argument.

const variant = process.argv[2] ?? ''
if (!isVariant(variant)) throw new TypeError(`there is no variant ${variant}`)

const log = createLog()
const options = readConfiguration(undefined) as BffOptions // checked by parseOptions before anything is made of it
const { redisUrl = '', redisPrefix, timing } = parseOptions(options, { production: false })
const store = breakStore(
  createRedisStore({ url: redisUrl, prefix: redisPrefix, waitReplicas: 0 }, timing, createSay(log, createCounters())),
  variant,
)
const bff = createBff(options, { log, store })
await bff.listen()
process.once('SIGTERM', () => void bff.close().then(() => process.exit(0)))
