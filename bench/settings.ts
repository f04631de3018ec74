/** How much is measured. */
export interface Settings {
  rounds: { small: number; post: number; download: number; cold: number; workers: number }
  /** Length of one round, and of the load before the first one. */
  seconds: number
  warmUpSeconds: number
  /** Sessions that are called in turn, and that are weighed in Redis. */
  sessions: number
  /** Sessions of others, among which those of one user are ended. */
  others: number
  /** Event streams, and WebSockets, that are open at once. */
  streams: number
  /** Sessions whose access tokens expire at once. */
  storm: number
  /** Calls, each of which finds an expired access token. */
  crossings: number
}

/** Keep-alive connections of the load. */
export const connections = 64
/** Those of the download: with more, most of what is measured is buffers. */
export const downloadConnections = 8
/** Life of access tokens where they are to expire. */
export const shortLifeSeconds = 6
/** Calls that one application makes at once. */
export const callsAtOnce = 3

const whole: Settings = {
  rounds: { small: 5, post: 3, download: 3, cold: 3, workers: 3 },
  seconds: 4,
  warmUpSeconds: 3,
  sessions: 10_000,
  others: 100_000,
  streams: 1_000,
  storm: 1_000,
  crossings: 300,
}

const quick: Settings = {
  rounds: { small: 2, post: 1, download: 1, cold: 1, workers: 1 },
  seconds: 1,
  warmUpSeconds: 1,
  sessions: 2_000,
  others: 10_000,
  streams: 200,
  storm: 100,
  crossings: 50,
}

/** @throws TypeError for a number of sessions that makes no sense */
export function settingsOf({ isQuick, sessions }: { isQuick: boolean; sessions: string | undefined }): Settings {
  const settings = isQuick ? quick : whole
  if (sessions === undefined) return settings
  const count = Number(sessions)
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000) {
    throw new TypeError('--sessions is a whole number from 1 to 1000000')
  }
  return { ...settings, sessions: count }
}
