const startedAt = performance.now()
const startedWallMs = performance.timeOrigin + startedAt

/** Milliseconds since the run began. */
export function now(): number {
  return Math.round((performance.now() - startedAt) * 10) / 10
}

/** The same for a time by the wall clock, as other processes of this machine write it. */
export function fromWallTime(iso: string): number {
  return Math.round((Date.parse(iso) - startedWallMs) * 10) / 10
}
