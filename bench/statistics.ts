/** The middle of repeated measurements, and how far they lay apart. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** @throws RangeError for no values at all: a case that measured nothing must not look like one that measured 0 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const [min] = sorted
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) throw new RangeError('nothing was measured')
  const half = sorted.length / 2
  const lower = sorted[Math.ceil(half) - 1] ?? min
  const upper = sorted[Math.floor(half)] ?? max
  return { median: (lower + upper) / 2, min, max }
}

/**
 * How many times as much one takes as another, by the figures that both have of the same round: what a machine is busy
 * with beside slows down both.
 * @throws RangeError for no rounds at all
 */
export function timesOf(values: readonly number[], others: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / (others[round] ?? Number.NaN)))
}

/**
 * The value that `percent` of all values do not exceed, by nearest rank.
 * @throws RangeError for no values at all
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(Math.ceil((percent / 100) * sorted.length) - 1, 0)]
  if (value === undefined) throw new RangeError('nothing was measured')
  return value
}

/**
 * Measures every thing once a round, one after the other.
 * @returns what was measured of each, a value a round
 */
export async function inRounds<Thing, Value>(
  things: readonly Thing[],
  rounds: number,
  measure: (thing: Thing) => Promise<Value>,
): Promise<Map<Thing, Value[]>> {
  const measured = new Map<Thing, Value[]>(things.map((thing) => [thing, []]))
  for (const thing of alternate(things, rounds)) measured.get(thing)?.push(await measure(thing))
  return measured
}

/** `rounds` lists of what is measured, each beginning with another one, so that no peer always follows the same. */
export function alternate<T>(things: readonly T[], rounds: number): T[] {
  return Array.from({ length: rounds }, (_, round) => {
    const first = round % Math.max(things.length, 1)
    return [...things.slice(first), ...things.slice(0, first)]
  }).flat()
}
