/** How much is measured. */
export interface Settings {
  /** Of the small GET, and of every other case; the peers take turns in each. */
  rounds: { small: number; others: number }
  /** Length of one round, and of the load before the first one. */
  seconds: number
  warmUpSeconds: number
  /** Sessions that are called in turn. */
  sessions: number
  /** Of these, those that are weighed in Redis. */
  weighed: number
  /** Sessions of others, among which those of one user are ended. */
  others: number
  /** Event streams, and WebSockets, that are open at once. */
  streams: number
  /** Sessions whose access tokens expire at once, in each round others. */
  storm: number
  /** Sessions that are called one by one, in each round once, with an expired access token. */
  crossings: number
}

/** Keep-alive connections of the load. */
export const connections = 64
/** Those of the download: with more, most of what is measured is buffers. */
export const downloadConnections = 8
/** Life of access tokens where they are to expire. */
export const shortLifeSeconds = 6
/** After which these have expired, whoever looks at the clock. */
export const expiredAfterMs = shortLifeSeconds * 1000 + 500
/** Calls that one application makes at once. */
export const callsAtOnce = 3

export const whole: Settings = {
  rounds: { small: 5, others: 3 },
  seconds: 4,
  warmUpSeconds: 3,
  sessions: 100_000,
  weighed: 10_000,
  others: 100_000,
  streams: 1_000,
  storm: 1_000,
  crossings: 100,
}

/** Enough to see that it works. */
export const quick: Settings = {
  rounds: { small: 2, others: 1 },
  seconds: 1,
  warmUpSeconds: 1,
  sessions: 5_000,
  weighed: 2_000,
  others: 10_000,
  streams: 200,
  storm: 100,
  crossings: 50,
}
