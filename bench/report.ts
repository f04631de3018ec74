import { type Spread, timesOf } from './statistics.ts'

/** Rows of cells; the first row is the head. */
export type Table = readonly (readonly string[])[]

/** What one case has to tell. */
export interface Section {
  title: string
  /** How it was measured, where that is not said for all. */
  note?: string
  table: Table
}

/** All sections, as Markdown. */
export function report(sections: readonly Section[]): string {
  return sections
    .map(({ title, note, table }) => [`## ${title}`, ...(note === undefined ? [] : [note]), markdown(table)])
    .map((parts) => `${parts.join('\n\n')}\n`)
    .join('\n')
}

/** How many times as much one peer takes as another; `-` without the other. */
export function ratio(value: number | undefined, other: number | undefined): string {
  if (value === undefined || other === undefined || other === 0) return '-'
  const times = value / other
  return times.toFixed(digitsOf(times))
}

/** The same round by round, with the range of the rounds where they differ: from itself nobody does. */
export function ratioOfRounds(values: readonly number[] | undefined, others: readonly number[] | undefined): string {
  if (values === undefined || others === undefined) return '-'
  const times = timesOf(values, others)
  const digits = digitsOf(times.median)
  return times.min === times.max ? times.median.toFixed(digits) : withRange(times, digits)
}

function digitsOf(times: number): number {
  return times < 10 ? 2 : 1
}

/** The median, and between which values the rounds lay. */
export function withRange({ median, min, max }: Spread, digits: number): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${text(median)} (${text(min)}-${text(max)})`
}

function markdown([head = [], ...rows]: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
