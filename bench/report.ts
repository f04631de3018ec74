import type { Expiry } from './cases/expiry.ts'
import type { Throughput } from './cases/throughput.ts'
import type { Spread } from './statistics.ts'

/** Everything that one run has found. */
export interface Results {
  small: readonly Throughput[]
  post: readonly Throughput[]
  download: readonly Throughput[]
  cold: readonly Throughput[]
  sessions: readonly { peer: string; count: number; bytesEach: number }[]
  expiry: readonly Expiry[]
}

/** Peers that the ratios are to. */
export interface Yardsticks {
  floor: string
  usual: string
}

type Table = readonly (readonly string[])[]

/** The tables, as Markdown. */
export function report({ small, post, download, cold, sessions, expiry }: Results, yardsticks: Yardsticks): string {
  const parts: [title: string, table: Table][] = [
    ['Small GET', throughputTable(small, yardsticks)],
    ['64 KB POST', throughputTable(post, yardsticks)],
    ['10 MB download', downloadTable(download, yardsticks)],
    ['Sessions cold: each request is another session’s', throughputTable(cold, yardsticks)],
    ['Sessions in Redis', sessionTable(sessions, yardsticks)],
    ['All access tokens expire at once', stormTable(expiry)],
    ['A call that finds an expired token', crossingTable(expiry)],
  ]
  return parts.map(([title, table]) => `## ${title}\n\n${markdown(table)}\n`).join('\n')
}

/** How many times as much one peer takes as another; `-` without the other. */
export function ratio(value: number, other: number | undefined): string {
  if (other === undefined || other === 0) return '-'
  const times = value / other
  return times < 10 ? times.toFixed(2) : times.toFixed(1)
}

/** The median, and between which values the rounds lay. */
export function withRange({ median, min, max }: Spread, digits: number): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${text(median)} (${text(min)}-${text(max)})`
}

function throughputTable(rows: readonly Throughput[], { floor, usual }: Yardsticks): Table {
  const cpuOf = (name: string) => rows.find(({ peer }) => peer === name)?.cpuPer10k.median
  return [
    [
      'peer',
      'CPU, x nginx',
      'CPU, usual stack is x',
      'CPU s per 10,000',
      'requests/s',
      'p50 ms',
      'p99 ms',
      'memory MB',
    ],
    ...rows.map((row) => [
      row.peer,
      ratio(row.cpuPer10k.median, cpuOf(floor)),
      ratio(cpuOf(usual) ?? 0, row.cpuPer10k.median).replace(/^0\.00$/, '-'),
      withRange(row.cpuPer10k, 3),
      withRange(row.requestsPerSecond, 0),
      withRange(row.p50Ms, 1),
      withRange(row.p99Ms, 1),
      withRange(row.residentMegabytes, 0),
    ]),
  ]
}

function downloadTable(rows: readonly Throughput[], { floor, usual }: Yardsticks): Table {
  const cpuOf = (name: string) => rows.find(({ peer }) => peer === name)?.cpuPerGigabyte.median
  return [
    ['peer', 'CPU, x nginx', 'CPU, usual stack is x', 'CPU s per GB', 'MB/s', 'memory MB'],
    ...rows.map((row) => [
      row.peer,
      ratio(row.cpuPerGigabyte.median, cpuOf(floor)),
      ratio(cpuOf(usual) ?? 0, row.cpuPerGigabyte.median).replace(/^0\.00$/, '-'),
      withRange(row.cpuPerGigabyte, 2),
      withRange(row.megabytesPerSecond, 0),
      withRange(row.residentMegabytes, 0),
    ]),
  ]
}

function sessionTable(rows: Results['sessions'], { usual }: Yardsticks): Table {
  const usualBytes = rows.find(({ peer }) => peer === usual)?.bytesEach
  return [
    ['peer', 'x usual stack', 'bytes each', 'sessions'],
    ...rows.map(({ peer, count, bytesEach }) => [
      peer,
      ratio(bytesEach, usualBytes),
      bytesEach.toFixed(0),
      count.toLocaleString('en'),
    ]),
  ]
}

function stormTable(rows: readonly Expiry[]): Table {
  return [
    ['peer', 'sessions', 'calls', 'served', 'seconds', 'grants', 'refused grants'],
    ...rows.map(({ peer, storm }) => [
      peer,
      ...[storm.sessions, storm.calls, storm.served].map(String),
      storm.seconds.toFixed(1),
      ...[storm.grants, storm.refused].map(String),
    ]),
  ]
}

function crossingTable(rows: readonly Expiry[]): Table {
  return [
    ['peer', 'calls', 'failed', 'p50 / p99 ms', 'p50 / p99 ms of the call right after'],
    ...rows.map(({ peer, crossing, between }) => [
      peer,
      String(crossing.calls),
      String(crossing.failed),
      `${crossing.p50.toFixed(1)} / ${crossing.p99.toFixed(1)}`,
      `${between.p50.toFixed(1)} / ${between.p99.toFixed(1)}`,
    ]),
  ]
}

function markdown([head = [], ...rows]: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
