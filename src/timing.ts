import { z } from 'zod'

const ms = (fallback: number) => z.int().positive().default(fallback)

/**
 * Every deadline of the product, in milliseconds. Operators leave them alone; tests divide them by ten.
 * The relations between them are what the refresh protocol's safety rests on, so they are checked at start.
 */
export const timingSchema = z
  .strictObject({
    login: ms(600_000).describe('how long a begun login may take'),
    store: ms(1_000).describe('one store command'),
    reconnect: ms(500).describe('most back-off between attempts to reach the store'),
    retry: ms(500).describe('most pause between repeats of a write or a renewal'),
    lease: ms(10_000).describe('the right to refresh a session, renewed every third of it'),
    sure: ms(5_000).describe('how old the last confirmed mark may be when a refresh token is sent'),
    storeBudget: ms(3_000).describe('repeats of a store command whose outcome is unknown, before a refresh is sent'),
    grace: ms(3_000).describe('how long a presenter who seems dead is waited for'),
    connect: ms(3_000).describe('connecting to the provider or an upstream'),
    ask: ms(10_000).describe("the provider's answer to any request, and to the first presentation of a refresh token"),
    askAgain: ms(30_000).describe("the provider's answer to a refresh token presented again"),
    probe: ms(5_000).describe('between probes of a provider that has gone silent'),
    waiter: ms(15_000).describe('how long a request waits for a refresh'),
    persist: ms(120_000).describe('how long a rotated token is held for a store that cannot take it'),
    silence: ms(30_000).describe('before a token that was met by silence twice is presented again'),
    decline: ms(1_000).describe('before a declined refresh is tried again, doubling to thirty times as much'),
    ended: ms(600_000).describe('how long it is remembered why a session ended'),
    metadata: ms(600_000).describe("how old the provider's metadata and keys get before they are fetched anew"),
    newKeys: ms(30_000).describe("between fetches of the provider's keys for a key that is not among them"),
    revoke: ms(60_000).describe('repeats of a revocation after logout'),
    firstByte: ms(60_000).describe("an upstream's response headers"),
    idleBody: ms(300_000).describe(
      "between two chunks of an upstream's response, or of a client's request, and for a client to take one",
    ),
    recheck: ms(60_000).describe('before a stream that is open asks again whether its session is still there'),
    heartbeat: ms(20_000).describe('between signs of life on `/bff/events`'),
    connectionLife: ms(300_000).describe('before upstreams are connected to anew, which follows a change in DNS'),
    restart: ms(1_000).describe('before a worker that keeps crashing is replaced, doubling to ten times as much'),
    drain: ms(60_000).describe('how long shutdown waits for what is in flight'),
  })
  .check((context) => {
    const t = context.value
    const fail = (message: string) => context.issues.push({ code: 'custom', message, input: t, continue: true })
    if (t.sure + t.store >= t.lease) fail('sure + store must be less than lease')
    if (t.lease / 3 + 2 * t.store >= t.lease) fail('lease / 3 + 2 store must be less than lease')
    if (t.grace < t.retry + t.reconnect + t.store) fail('grace must be at least retry + reconnect + store')
    if (t.waiter < t.lease + t.grace) fail('waiter must be at least lease + grace')
    if (t.ended <= t.connect + t.ask + t.askAgain + t.persist)
      fail('ended must exceed connect + ask + askAgain + persist')
    if (t.storeBudget + t.store >= t.lease) fail('storeBudget + store must be less than lease')
  })
  .prefault({})

export type Timing = z.output<typeof timingSchema>
