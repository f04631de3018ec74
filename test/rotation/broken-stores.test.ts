import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Store, TokenRecord, TokenRecords } from '../../src/storage/store.ts'
import type { Timing } from '../../src/timing.ts'
import { overAtOnce } from '../support/token-endpoint.ts'
import { hang, leaveOpen } from './exchange.ts'
import type { RotationPolicy } from './rotating-provider.ts'
import { until } from './token-node.ts'
import { type Pair, startPair } from './token-pair.ts'

// Each store here lacks one rule of the protocol. A script that says what must not happen has to find that out, and
// has to find nothing in the whole store: else the other tests of this folder prove less than they seem to.

const replacing =
  (make: (whole: TokenRecords) => Partial<TokenRecords>) =>
  (store: Store): Store => {
    const whole = store.tokens
    // Of a proxy, which has no members that could be spread.
    const broken = make(whole)
    return {
      ...store,
      tokens: new Proxy(whole, {
        get: (target, name: keyof TokenRecords) => broken[name] ?? target[name],
      }),
    }
  }

const alwaysGranting = replacing((whole) => ({
  async acquire(ref, flight) {
    const acquired = await whole.acquire(ref, flight)
    if (acquired.is !== 'busy' && acquired.is !== 'doubt') return acquired
    const record = await whole.read(ref)
    return record === null ? acquired : { is: 'acquired', record }
  },
  async mark(ref, flight) {
    const marked = await whole.mark(ref, flight)
    return marked.is === 'lost' ? { is: 'marked' } : marked
  },
}))

const ignoringVersions = replacing((whole) => ({
  async replace(ref, flight) {
    const replaced = await whole.replace(ref, flight)
    if (replaced.is !== 'stale') return replaced
    const { epoch, version } = replaced.record
    return await whole.replace(ref, { ...flight, epoch, version, id: randomBytes(9).toString('base64url') })
  },
}))

/** What was read once is what is presented, whatever has been stored since. */
function createForgetful() {
  const seen = new Map<string, TokenRecord>()
  return replacing((whole) => ({
    async read(ref) {
      const record = seen.get(ref) ?? (await whole.read(ref))
      if (record !== null) seen.set(ref, record)
      return record
    },
    async acquire(ref, flight) {
      const asked = await whole.acquire(ref, flight)
      const acquired =
        asked.is === 'changed' ? await whole.acquire(ref, { ...flight, version: asked.record.version }) : asked
      return acquired.is === 'acquired' ? { is: 'acquired', record: seen.get(ref) ?? acquired.record } : acquired
    },
    async mark(ref, flight) {
      const now = await whole.read(ref)
      return await whole.mark(ref, { ...flight, version: now?.version ?? flight.version })
    },
    end: (ref, reason) => whole.end(ref, reason, null),
  }))
}

const withoutMarks = replacing((whole) => ({
  mark: async () => ({ is: 'marked' }),
  end: async (ref, reason) => await whole.end(ref, reason, null),
}))

/** Two nodes want a token at the same moment, and the provider takes its time. */
async function together({ provider, a, b, ref }: Pair): Promise<readonly string[]> {
  const { first, exchange } = await hang(provider, () => a.ask(ref))
  const second = b.ask(ref)
  // On the whole store it waits, and looks again; on the broken one it presents.
  const looks = () => b.script.calls.filter((call) => call === 'acquire').length
  await until(() => looks() > 1 || provider.presented.length > 1)
  exchange.answer(exchange.process())
  await Promise.all([first, second])
  return provider.presented
}

/** The holder answers late, when another has taken over and stored what a provider with leeway gave it. */
async function overtaken({ provider, a, b, ref }: Pair): Promise<readonly string[]> {
  const [asked, askedAgain] = [provider.next(leaveOpen), provider.next(leaveOpen)]
  const first = a.ask(ref)
  const one = await asked
  a.script.cut()
  const second = b.ask(ref)
  const two = await askedAgain
  provider.accessTokenSeconds = overAtOnce
  const older = one.process()
  two.answer(two.process())
  await second
  a.script.mend()
  one.answer(older)
  await until(() => a.script.calls.includes('replace'))
  await first
  await a.ask(ref)
  return provider.presented.slice(2)
}

/** One has read the record, and looks away while the other refreshes. */
async function lookingAway({ provider, a, b, ref }: Pair): Promise<readonly string[]> {
  const away = b.script.stop('acquire', 'before')
  const second = b.ask(ref)
  await away.reached
  await a.ask(ref)
  away.go()
  await second
  return provider.presented
}

/** The holder has its answer, and is cut off a little longer than its lease. */
async function stalling({ provider, a, b, ref }: Pair): Promise<readonly string[]> {
  const { first, exchange } = await hang(provider, () => a.ask(ref))
  a.script.cut()
  exchange.answer(exchange.process())
  await until(() => a.script.calls.includes('replace'))
  const second = b.ask(ref)
  // It finds the lease over; from here on only the grace keeps it from presenting.
  let last = ''
  await until(async () => {
    const record = await b.store.tokens.read(ref)
    if (record === null || provider.presented.length > 1) return true
    const stranger = { id: 'stranger', epoch: record.epoch, version: record.version, open: false, leaseMs: 1 }
    last = (await b.store.tokens.acquire(ref, { ...stranger, doubt: null })).is
    return last === 'doubt'
  })
  a.script.mend()
  await Promise.all([first, second])
  return provider.presented
}

interface Case {
  wrap: () => (store: Store) => Store
  script: (pair: Pair) => Promise<readonly string[]>
  policy?: RotationPolicy
  timing?: Partial<Timing>
  whole: readonly string[]
  broken: RegExp
}

const cases: Record<string, Case> = {
  'a lease that is always granted': {
    wrap: () => alwaysGranting,
    script: together,
    whole: ['alice.1'],
    broken: /^alice\.1 alice\.1/,
  },
  'a store that ignores the version': {
    wrap: () => ignoringVersions,
    script: overtaken,
    policy: { leewayMs: 60_000, onlyNewest: true },
    whole: ['alice.3', 'alice.4'],
    broken: /alice\.2/,
  },
  'no second look at the record': {
    wrap: createForgetful,
    script: lookingAway,
    whole: ['alice.1'],
    broken: /^alice\.1 alice\.1/,
  },
  'no mark of an attempt': {
    wrap: () => withoutMarks,
    script: stalling,
    timing: { grace: 2_500 },
    whole: ['alice.1'],
    broken: /^alice\.1 alice\.1/,
  },
}

describe('a broken store is found out', { concurrency: 4 }, () => {
  for (const [name, { wrap, script, policy = {}, timing, whole, broken }] of Object.entries(cases)) {
    test(`${name}: its script presents a spent token, and does not on the whole store`, async () => {
      const patient = { ask: 10_000, ...timing }
      await using sound = await startPair('redis', policy, patient)
      assert.deepEqual(await script(sound), whole)
      await using pair = await startPair('redis', policy, patient, wrap())
      assert.match((await script(pair)).join(' '), broken)
    })
  }
})
